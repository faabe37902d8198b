import 'reflect-metadata';
import {
  forwardRef,
  Inject,
  Injectable,
  Module,
  Optional,
  Scope,
  type Provider,
  type Type,
} from '@nestjs/common';
import { ContextIdFactory } from '@nestjs/core';
import { Test } from '@nestjs/testing';
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { missingDependencies } from '../../lib/discovery/missing-dependencies.js';
import { explore } from '../../lib/discovery/worker-explorer.js';
import { missingInjectionsOf, type NestModule } from '../../lib/nest/index.js';
import { RecordingLogger } from '../support/app.js';
import { worker } from '../support/probes.js';

interface DependencyPlan {
  readonly token: number;
  readonly isOptional: boolean;
  readonly isForward: boolean;
  readonly isProperty: boolean;
}

interface NodePlan {
  readonly kind: 'class' | 'factory' | 'alias' | 'absent';
  readonly scope: Scope;
  readonly module: number;
  readonly isExported: boolean;
  readonly dependencies: readonly DependencyPlan[];
}

/** 0 to 2. */
const MODULES = 3;
const tokenOf = (node: number): string => `NODE_${node}`;

const nodePlan: fc.Arbitrary<NodePlan> = fc.record({
  kind: fc.constantFrom('class', 'class', 'class', 'factory', 'factory', 'alias', 'absent'),
  scope: fc.constantFrom(Scope.REQUEST, Scope.REQUEST, Scope.DEFAULT, Scope.TRANSIENT),
  module: fc.constantFrom(0, 0, 1, 2),
  isExported: fc.constantFrom(true, true, true, true, false),
  dependencies: fc.array(
    fc.record({
      token: fc.nat(20),
      isOptional: fc.constantFrom(false, false, true),
      isForward: fc.boolean(),
      isProperty: fc.boolean(),
    }),
    { maxLength: 3 },
  ),
});

/** Each module imports those after it. A provider depends on those after it, in all modules. */
function rootOf(plans: readonly NodePlan[]): Type {
  const depends = (from: number, { token }: DependencyPlan): string =>
    tokenOf(from + 1 + (token % Math.max(1, plans.length - from - 1)));
  const providerOf = (plan: NodePlan, node: number): Provider => {
    const provide = tokenOf(node);
    const [first] = plan.dependencies;
    if (plan.kind === 'alias' && first !== undefined && node < plans.length - 1)
      return { provide, useExisting: depends(node, first) };
    if (plan.kind === 'factory')
      return {
        provide,
        scope: plan.scope,
        inject: plan.dependencies.map((dependency) => ({
          token: depends(node, dependency),
          optional: dependency.isOptional,
        })),
        useFactory: () => ({}),
      };
    @Injectable({ scope: plan.scope })
    class Node {}
    const parameters = plan.dependencies.filter(({ isProperty }) => !isProperty);
    Reflect.defineMetadata(
      'design:paramtypes',
      parameters.map(() => Object),
      Node,
    );
    const inject = (dependency: DependencyPlan): ReturnType<typeof Inject> => {
      const token = depends(node, dependency);
      return Inject(dependency.isForward ? forwardRef(() => token) : token);
    };
    parameters.forEach((dependency, index) => {
      inject(dependency)(Node, undefined, index);
      if (dependency.isOptional) Optional()(Node, undefined as never, index);
    });
    plan.dependencies.forEach((dependency, index) => {
      if (!dependency.isProperty) return;
      inject(dependency)(Node.prototype, `property${index}`);
      if (dependency.isOptional) Optional()(Node.prototype, `property${index}`);
    });
    return { provide, useClass: Node };
  };
  const placed = plans.flatMap((plan, node) =>
    plan.kind === 'absent' ? [] : [{ plan, node, provider: providerOf(plan, node) }],
  );
  let imports: Type[] = [];
  for (let index = MODULES - 1; index >= 0; index -= 1) {
    const own = placed.filter(({ plan }) => plan.module === index);
    @Module({
      imports,
      providers: [
        ...own.map(({ provider }) => provider),
        ...(index === 0 ? [worker([tokenOf(0)])] : []),
      ],
      exports: own.filter(({ plan }) => plan.isExported).map(({ node }) => tokenOf(node)),
    })
    class Numbered {}
    Object.defineProperty(Numbered, 'name', { value: `Module${index}` });
    imports = [...imports, Numbered];
  }
  return imports.at(-1)!;
}

/** When Nest refuses what it cannot build: as it compiles, or when the worker is built. */
async function refusalOf(
  root: Type,
): Promise<{ refusedAt: 'compile' | 'resolve' | undefined; modules: Map<string, NestModule> }> {
  const builder = Test.createTestingModule({ imports: [root] }).setLogger(new RecordingLogger());
  const { container } = builder as unknown as {
    container: { getModules(): Map<string, NestModule> };
  };
  const modules = container.getModules();
  let refusedAt: 'compile' | 'resolve' = 'compile';
  try {
    const app = await builder.compile();
    refusedAt = 'resolve';
    const [type] = explore([...modules.values()]).workers;
    await app.resolve(type!.workerClass as Type, ContextIdFactory.create(), { strict: false });
    return { refusedAt: undefined, modules };
  } catch (error) {
    if (!/can't resolve dependencies/.test(String(error))) throw error;
    return { refusedAt, modules };
  }
}

/** What is wrong with what was found, if anything. */
function complaintAbout({ refusedAt, modules }: Awaited<ReturnType<typeof refusalOf>>): string {
  const { workers } = explore([...modules.values()]);
  const found = missingDependencies(workers, [...modules.values()]).map(({ message }) => message);
  const all = [...modules.values()].flatMap(({ providers }) => [...providers.values()]);
  switch (refusedAt) {
    case undefined:
      return found.join('\n');
    case 'resolve':
      return found.length > 0 ? '' : 'the worker cannot be built, and nothing was found';
    case 'compile': // maybe for something that the worker does not need
      return all.some((wrapper) => missingInjectionsOf(wrapper).length > 0)
        ? ''
        : 'Nest refuses, and nothing was found anywhere';
  }
}

/**
 * Nest 11.0 refuses all of them as it compiles, and leaves promises behind that reject when nobody waits, or a stack that
 * overflows: the process of the test would end.
 */
(process.env['NEST'] === 'nest11-oldest' ? describe.skip : describe)('In any graph', () => {
  it('[XC12] what Nest cannot build lacks an injection, and what it builds lacks none', async () => {
    const tally = { compile: 0, resolve: 0, built: 0 };
    await fc.assert(
      fc.asyncProperty(fc.array(nodePlan, { minLength: 1, maxLength: 7 }), async (plans) => {
        const refused = await refusalOf(rootOf(plans));
        tally[refused.refusedAt ?? 'built'] += 1;
        expect(complaintAbout(refused)).toBe('');
      }),
      { numRuns: Number(process.env['GRAPH_RUNS'] ?? 100), timeout: 10_000 },
    );
    expect(tally.built).toBeGreaterThan(0);
    expect(tally.compile + tally.resolve).toBeGreaterThan(0);
    // Nest 12 refuses almost all of them as it compiles; a few only when the worker is built.
    expect(tally.resolve > 0 || process.env['NEST'] !== 'nest11-newest').toBe(true);
  });
});
