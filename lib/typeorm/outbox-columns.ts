import type { DataSource, EntityMetadata, EntityTarget, ObjectLiteral } from 'typeorm';
import { InvalidOptionsError } from '../errors/errors.js';
import { entityName } from './scoped-tokens.js';

/** The table of an outbox and its columns, quoted for SQL. A column that the entity doesn't declare is undefined. */
export interface OutboxColumns {
  readonly table: string;
  readonly id: string;
  readonly availableAt: string;
  readonly deliveries: string;
  readonly deadAt: string | undefined;
  readonly deliveredAt: string | undefined;
  readonly lastError: string | undefined;
  /** The maximum length of `lastError`, in characters. */
  readonly errorLength: number;
  /** The `@DeleteDateColumn()`. Soft-deleted rows aren't delivered. */
  readonly deletedAt: string | undefined;
}

interface Rule {
  readonly property: string;
  readonly isNeeded: boolean;
  readonly isNullable: boolean;
  /** Allowed types, as `Driver.normalizeType()` returns them. The error text suggests the first one. */
  readonly types: readonly string[];
  readonly declaration: string;
}

const TIME = ['timestamp with time zone'];

const RULES: readonly Rule[] = [
  {
    property: 'availableAt',
    isNeeded: true,
    isNullable: false,
    types: TIME,
    declaration: "@Column('timestamptz', { default: () => 'now()' }) availableAt!: Date",
  },
  {
    property: 'deliveries',
    isNeeded: true,
    isNullable: false,
    types: ['integer', 'smallint', 'bigint'],
    declaration: "@Column('int', { default: 0 }) deliveries!: number",
  },
  {
    property: 'deadAt',
    isNeeded: false,
    isNullable: true,
    types: TIME,
    declaration: "@Column('timestamptz', { nullable: true }) deadAt!: Date | null",
  },
  {
    property: 'deliveredAt',
    isNeeded: false,
    isNullable: true,
    types: TIME,
    declaration: "@Column('timestamptz', { nullable: true }) deliveredAt!: Date | null",
  },
  {
    property: 'lastError',
    isNeeded: false,
    isNullable: true,
    types: ['text', 'character varying'],
    declaration: "@Column('text', { nullable: true }) lastError!: string | null",
  },
];

const LONGEST_ERROR = 10_000;

/**
 * Reads the columns of an outbox from the metadata of its entity.
 *
 * @throws {InvalidOptionsError} if the data source doesn't know the entity, or if the table or a column is wrong.
 */
export function readOutboxColumns(
  entity: EntityTarget<ObjectLiteral>,
  dataSource: DataSource,
): OutboxColumns {
  if (!dataSource.hasMetadata(entity)) {
    const name = entityName(entity);
    throw new InvalidOptionsError([
      `outboxSource(${name}): the data source does not know this entity. Add it to the "entities" of the data source, or import TypeOrmModule.forFeature([${name}]).`,
    ]);
  }
  const metadata = dataSource.getMetadata(entity);
  const problems = [
    ...tableProblems(metadata),
    ...RULES.flatMap((rule) => columnProblems(rule, metadata, dataSource)),
  ].map((problem) => `outboxSource(${metadata.name}): ${problem}`);
  if (problems.length > 0) throw new InvalidOptionsError(problems);

  const named = (property: string): string | undefined =>
    quoted(metadata.findColumnWithPropertyName(property)?.databaseName);
  const errorLength = Number(metadata.findColumnWithPropertyName('lastError')?.length || Infinity);
  return {
    table: [metadata.schema, metadata.tableName].flatMap((name) => quoted(name) ?? []).join('.'),
    id: quoted(metadata.primaryColumns[0]?.databaseName)!,
    availableAt: named('availableAt')!,
    deliveries: named('deliveries')!,
    deadAt: named('deadAt'),
    deliveredAt: named('deliveredAt'),
    lastError: named('lastError'),
    errorLength: Math.min(errorLength, LONGEST_ERROR),
    deletedAt: quoted(metadata.deleteDateColumn?.databaseName),
  };
}

function tableProblems({ tableType, primaryColumns }: EntityMetadata): string[] {
  const problems: string[] = [];
  if (tableType === 'entity-child') {
    problems.push('it shares its table with other entities. Pass the entity that they extend.');
  } else if (tableType !== 'regular') {
    problems.push(`it is a ${tableType}. Pass an entity that has its own table.`);
  }
  if (primaryColumns.length !== 1) {
    const names = primaryColumns.map(({ propertyName }) => propertyName).join(', ') || 'none';
    problems.push(
      `it must have exactly one primary column, not ${primaryColumns.length} (${names}). Write @PrimaryGeneratedColumn('uuid') id!: string.`,
    );
  }
  return problems;
}

function columnProblems(rule: Rule, metadata: EntityMetadata, { driver }: DataSource): string[] {
  const { property, isNeeded, isNullable, types, declaration } = rule;
  const column = metadata.findColumnWithPropertyName(property);
  if (column === undefined) {
    return isNeeded ? [`it has no column "${property}". Write ${declaration}.`] : [];
  }
  const type = driver.normalizeType(column);
  if (!types.includes(type) || column.isArray) {
    const found = column.isArray ? `an array of ${type}` : type;
    return [`"${property}" must be of type ${types[0]!}, not ${found}. Write ${declaration}.`];
  }
  if (column.isNullable !== isNullable) {
    return [
      `"${property}" must ${isNullable ? '' : 'not '}be nullable: ${isNullable ? 'it is null until the library sets it' : 'a row without it would never be delivered'}. Write ${declaration}.`,
    ];
  }
  return [];
}

function quoted(name: string | undefined): string | undefined {
  return name === undefined || name === '' ? undefined : quoteIdentifier(name);
}

export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}
