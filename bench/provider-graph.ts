import { Injectable, Scope, type Provider, type Type } from '@nestjs/common';

/** A graph of request-scoped classes: each except the leaves depends on up to three others, and some are disposable. */
export interface ProviderGraph {
  readonly root: Type<object>;
  readonly providers: Provider[];
  /** The classes; the root is the first. */
  readonly classes: readonly Type<object>[];
  /** The positions of what each class depends on. */
  readonly dependencies: readonly (readonly number[])[];
  /** Creates the same objects with `new`. */
  construct(): object;
}

/** @param disposable one class of this many has a disposer; 0 means none. */
export function providerGraph(size: number, disposable = 6): ProviderGraph {
  const classes: Type<object>[] = [];
  const children: number[][] = [];
  for (let index = size - 1; index >= 0; index -= 1) {
    const dependencies = [3 * index + 1, 3 * index + 2, 3 * index + 3].filter(
      (child) => child < size,
    );
    children[index] = dependencies;
    class Node {
      readonly parts: object[];
      constructor(...parts: object[]) {
        this.parts = parts;
      }
    }
    if (disposable > 0 && index % disposable === 0)
      Object.assign(Node.prototype, { onModuleDestroy: () => undefined });
    Object.defineProperty(Node, 'name', { value: `Node${index}` });
    Injectable({ scope: Scope.REQUEST })(Node);
    Reflect.defineMetadata(
      'design:paramtypes',
      dependencies.map((child) => classes[child]),
      Node,
    );
    classes[index] = Node;
  }
  const construct = (index: number): object =>
    new classes[index]!(...children[index]!.map(construct));
  return {
    root: classes[0]!,
    providers: classes,
    classes,
    dependencies: children,
    construct: () => construct(0),
  };
}
