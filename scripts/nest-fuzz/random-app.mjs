// Random Nest applications, first as plain data and then as classes and modules. Decorators are called as functions, so that the
// same program runs on every release of Nest.

/** Returns a generator of numbers from 0 to below 1 that repeats itself for a seed (mulberry32, Tommy Ettinger, public domain). */
export function randomOf(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/**
 * Describes an application: modules that import modules with a higher number, and providers that depend on providers which their
 * module sees.
 */
export function describeApp(seed) {
  const random = randomOf(seed);
  const below = (limit) => Math.floor(random() * limit);
  const chance = (share) => random() < share;

  const modules = Array.from({ length: 1 + below(5) }, (_, id) => ({ id, imports: [] }));
  for (const module of modules) {
    module.isGlobal = chance(0.15);
    module.imports = modules.filter(({ id }) => id > module.id && chance(0.5)).map(({ id }) => id);
    module.passesOn = module.imports.filter(() => chance(0.3));
  }
  for (const { id } of modules.slice(1))
    if (!modules.some(({ imports }) => imports.includes(id))) modules[below(id)].imports.push(id);

  const providers = [];
  const homes = Array.from({ length: 4 + below(14) }, () => below(modules.length));
  for (const home of homes.sort((one, other) => other - one)) {
    const seen = seenBy(home, modules, providers);
    const kind = chance(0.6) ? 'class' : chance(0.5) ? 'factory' : chance(0.4) ? 'value' : 'alias';
    if (kind === 'alias' && seen.length === 0) continue;
    const id = providers.length;
    const hasScope = kind === 'class' || kind === 'factory';
    const scope = !hasScope
      ? 'default'
      : chance(0.25)
        ? 'request'
        : chance(0.2)
          ? 'transient'
          : 'default';
    const count = kind === 'value' || seen.length === 0 ? 0 : kind === 'alias' ? 1 : below(4);
    const dependencies = Array.from({ length: count }, () => ({
      to: seen[below(seen.length)].id,
      byProperty: kind === 'class' && chance(0.25),
    }));
    const asksForRequest = kind === 'class' && chance(0.08);
    const missesOptional = hasScope && !asksForRequest && chance(0.1);
    const isExported = chance(0.7);
    providers.push({
      id,
      home,
      kind,
      scope,
      dependencies,
      asksForRequest,
      missesOptional,
      isExported,
    });
  }
  const controllers = modules.flatMap(({ id: home }) => {
    const seen = seenBy(home, modules, providers);
    return seen.length > 0 && chance(0.4)
      ? { home, guardNeeds: seen[below(seen.length)].id, isProvider: chance(0.5) }
      : [];
  });
  return { modules, providers, controllers };
}

/** The providers that a module sees: its own, what its imports export or pass on, and what global modules export. */
function seenBy(home, modules, providers) {
  const visited = new Set([home]);
  const found = providers.filter((provider) => provider.home === home);
  const visit = (id) => {
    if (visited.has(id)) return;
    visited.add(id);
    found.push(...providers.filter((provider) => provider.home === id && provider.isExported));
    for (const next of modules[id].passesOn) visit(next);
  };
  for (const id of modules[home].imports) visit(id);
  for (const { id, isGlobal } of modules) if (isGlobal) visit(id);
  return found;
}

/** The ids of the providers that cannot be static: those that declare it, and all that depend on one of them. */
export function scopedIds({ providers }) {
  const scoped = new Set();
  const isScoped = ({ scope, asksForRequest, dependencies }) =>
    scope === 'request' || asksForRequest || dependencies.some(({ to }) => scoped.has(to));
  for (const provider of providers) if (isScoped(provider)) scoped.add(provider.id); // dependencies come first
  return scoped;
}

/** What a started application tells about its instances; `failing` holds the ids of providers that throw when they are built. */
const UNTOLD = { built() {}, disposed() {}, failing: new Set() };

/**
 * Adds what doesn't change a lifetime: factories that return a promise or an injected object, transients that ask for their
 * dependent, and instances with a disposer.
 */
export function withBehavior({ providers, ...description }, seed) {
  const random = randomOf(seed + 1_000_000);
  const chance = (share) => random() < share;
  return {
    ...description,
    providers: providers.map((provider) => ({
      ...provider,
      isAsync: provider.kind === 'factory' && chance(0.3),
      handsOn: provider.kind === 'factory' && provider.dependencies.length > 0 && chance(0.1),
      asksForInquirer: provider.scope === 'transient' && provider.kind === 'class' && chance(0.1),
      hasDisposer: chance(0.5),
    })),
  };
}

/**
 * Makes the classes and modules.
 *
 * @param nest holds the exports of @nestjs/common and @nestjs/core.
 */
export function makeApp({ modules, providers, controllers }, nest, told = UNTOLD) {
  const { Controller, Global, Module, UseGuards, REQUEST } = nest;
  const tokens = providers.map(({ id, kind }) =>
    kind === 'class' ? classNamed(`C${id}`) : `T${id}`,
  );
  const made = providers.map((provider) => provide(provider, tokens, nest, told));
  const guarded = controllers.map(({ home, guardNeeds, isProvider }) => {
    const guard = classNamed(`G${home}`);
    guard.prototype.canActivate = () => true;
    injectable(guard, [tokens[guardNeeds]], nest);
    const target = classNamed(`Controller${home}`);
    injectable(target, [], nest);
    if (!isProvider) Controller()(target);
    UseGuards(guard)(target);
    return { home, isProvider, target };
  });
  const classes = modules.map(({ id }) => classNamed(`M${id}`));
  for (const { id, isGlobal, imports, passesOn } of [...modules].reverse()) {
    if (isGlobal) Global()(classes[id]);
    const of = (list) => list.filter(({ home }) => home === id);
    Module({
      imports: imports.map((at) => classes[at]),
      providers: [
        ...of(providers).map((provider) => made[provider.id]),
        ...of(guarded)
          .filter((each) => each.isProvider)
          .map(({ target }) => target),
      ],
      controllers: of(guarded)
        .filter((each) => !each.isProvider)
        .map(({ target }) => target),
      exports: [
        ...of(providers)
          .filter(({ isExported }) => isExported)
          .map((provider) => tokens[provider.id]),
        ...passesOn.map((at) => classes[at]),
      ],
    })(classes[id]);
  }
  return { root: classes[0], tokens, REQUEST };
}

function provide(provider, tokens, nest, told) {
  const { id, kind, scope, dependencies, asksForRequest, missesOptional, hasDisposer } = provider;
  const { Inject, Optional, Scope, INQUIRER, REQUEST } = nest;
  const declared = { default: Scope.DEFAULT, request: Scope.REQUEST, transient: Scope.TRANSIENT }[
    scope
  ];
  const needed = dependencies.map(({ to }) => tokens[to]);
  const dispose = { [Symbol.dispose]: () => told.disposed(id) };
  const begin = () => {
    told.built(id);
    if (told.failing.has(id)) throw new Error(`provider ${id} fails`);
  };
  const make = (...injected) => {
    begin();
    if (provider.handsOn) return injected[0];
    const made = Object.assign(Object.create(null), { id, injected }, hasDisposer ? dispose : {});
    return provider.isAsync ? Promise.resolve().then(() => made) : made;
  };
  switch (kind) {
    case 'value':
      return { provide: tokens[id], useValue: make() };
    case 'alias':
      return { provide: tokens[id], useExisting: needed[0] };
    case 'factory': {
      const inject = missesOptional
        ? [...needed, { token: `MISSING${id}`, optional: true }]
        : needed;
      return { provide: tokens[id], scope: declared, inject, useFactory: make };
    }
    default: {
      const type = tokens[id];
      const parameters = dependencies
        .filter(({ byProperty }) => !byProperty)
        .map(({ to }) => tokens[to]);
      type.begin = begin;
      if (hasDisposer) Object.assign(type.prototype, dispose);
      if (asksForRequest) parameters.push(REQUEST);
      if (provider.asksForInquirer) parameters.push(INQUIRER);
      if (missesOptional) {
        Optional()(type, undefined, parameters.length);
        parameters.push(`MISSING${id}`);
      }
      injectable(type, parameters, nest, declared);
      dependencies.forEach(({ to, byProperty }, at) => {
        if (byProperty) Inject(tokens[to])(type.prototype, `property${at}`);
      });
      return type;
    }
  }
}

function injectable(type, parameters, { Inject, Injectable }, scope) {
  const types = parameters.map((token) => (typeof token === 'function' ? token : Object));
  Reflect.defineMetadata('design:paramtypes', types, type);
  parameters.forEach((token, index) => Inject(token)(type, undefined, index));
  Injectable({ scope })(type);
}

function classNamed(name) {
  return {
    [name]: class {
      constructor(...injected) {
        new.target.begin?.();
        this.isConstructed = true;
        this.injected = injected;
      }
    },
  }[name];
}
