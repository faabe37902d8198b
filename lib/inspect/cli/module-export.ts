import 'reflect-metadata';
import { isClass } from '../../util/values.js';
import { CannotInspect } from './protocol.js';

/** The root module of an application. */
export interface RootModule {
  readonly name: string;
  /** A class, or a dynamic module. */
  readonly module: unknown;
}

type Exports = Readonly<Record<string, unknown>>;

/**
 * The metadata keys in `@nestjs/common/constants`. They are the same in Nest 11.0.0 to 12.5.1. `@Module({})` sets none of them.
 */
const MODULE_METADATA = ['imports', 'controllers', 'providers', 'exports'];

/**
 * Returns the exports of a file, by name. For CommonJS, `import()` returns `module.exports` as the default export; the
 * properties of that object are the exports.
 */
export function exportsOf(loaded: Exports): Exports {
  const { default: given } = loaded;
  const isCommonJs = typeof given === 'object' && given !== null && !isDynamic(given);
  const { 'module.exports': _, ...named } = { ...loaded };
  if (!isCommonJs || given instanceof Promise) return named;
  const { default: __, ...others } = named;
  return { ...others, ...(given as Exports) };
}

/**
 * Returns the root module: the requested export, else the default export, else `AppModule`, else the only export that is a module.
 * Calls an export that is a function but not a class, and awaits promises.
 *
 * @throws {CannotInspect} if no export is a module, or several are.
 */
export async function exportedModule(
  exports: Exports,
  file: string,
  exportName: string | undefined,
): Promise<RootModule> {
  const chosen = exportName ?? chooseFrom(exports, file);
  if (!Object.hasOwn(exports, chosen))
    throw new CannotInspect(`${file} has no export ${chosen}. ${whatIsThere(exports)}`);
  const given = exports[chosen];
  const module: unknown = await (isFunction(given) ? given() : given);
  if (isRoot(module)) return { name: nameOf(module) || chosen, module };
  const what = isFunction(given) ? 'returns' : 'is';
  throw new CannotInspect(
    `The export ${chosen} of ${file} ${what} neither a class nor a dynamic module, but ${describe(module)}. ${whatIsThere(exports)}`,
  );
}

/** Returns the root module of an application that a file starts. */
export async function startedModule(given: unknown, file: string): Promise<RootModule> {
  const module: unknown = await given;
  if (isRoot(module)) return { name: nameOf(module) || 'the application', module };
  const reason =
    module === undefined
      ? ' A circular import is a common cause, for example a service that imports the file that starts the application. Inspect that file instead, for example dist/main.js.'
      : '';
  throw new CannotInspect(
    `While ${file} was loading, NestFactory received ${describe(module)} instead of a class or a dynamic module.${reason}`,
  );
}

function chooseFrom(exports: Exports, file: string): string {
  for (const name of ['default', 'AppModule']) if (exports[name] !== undefined) return name;
  const modules = Object.keys(exports).filter((name) => isModule(exports[name]));
  const [first, second] = modules;
  if (first === undefined)
    throw new CannotInspect(`${file} exports no module. ${whatIsThere(exports)}`);
  if (second !== undefined)
    throw new CannotInspect(
      `${file} exports ${modules.length} modules: ${modules.join(', ')}. Choose one: --export ${first}`,
    );
  return first;
}

function whatIsThere(exports: Exports): string {
  const names = Object.keys(exports).filter((name) => name !== '__esModule'); // compilers add it to CommonJS output
  return names.length === 0
    ? 'It exports nothing. Pass the file of the root module, not one that starts the application.'
    : `It exports ${names.join(', ')}.`;
}

function isModule(value: unknown): boolean {
  if (!isClass(value)) return isDynamic(value);
  return (
    value.name.endsWith('Module') || MODULE_METADATA.some((key) => Reflect.hasMetadata(key, value))
  );
}

type Dynamic = { readonly module: Function };

function isDynamic(value: unknown): value is Dynamic {
  return isClass((value as { module?: unknown } | null | undefined)?.module);
}

function isRoot(value: unknown): value is Function | Dynamic {
  return isClass(value) || isDynamic(value);
}

function nameOf(module: Function | Dynamic): string {
  return isDynamic(module) ? module.module.name : module.name;
}

function isFunction(value: unknown): value is () => unknown {
  return typeof value === 'function' && !isClass(value);
}

function describe(value: unknown): string {
  if (value === null || value === undefined) return String(value);
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
