/**
 * The arrows of lib/: which folder may import which. The folders are listed from the lowest to the highest, and each may import
 * only folders listed before it.
 */
const arrows = {
  util: [],
  errors: ['util'],
  nest: ['util', 'errors'],
  graph: ['util', 'nest'],
  memory: ['util'],
  'consumers/source': ['util', 'errors'],
  schedule: ['util', 'consumers/source', 'nest'],
  decorators: ['util', 'errors', 'schedule'],
  engine: ['util', 'errors', 'schedule'],
  scope: ['util', 'errors', 'nest'],
  tick: ['util', 'errors', 'nest', 'schedule', 'scope'],
  options: ['util', 'errors', 'memory', 'schedule', 'engine', 'scope', 'tick'],
  validation: ['errors', 'nest', 'graph', 'decorators', 'options'],
  events: ['util', 'errors', 'memory', 'schedule', 'scope', 'tick'],
  leaks: ['util', 'errors', 'nest', 'scope', 'options', 'events'],
  discovery: [
    'util',
    'errors',
    'nest',
    'graph',
    'consumers/source',
    'schedule',
    'decorators',
    'options',
    'validation',
  ],
  registry: ['util', 'errors', 'nest', 'schedule', 'engine', 'scope', 'tick', 'options', 'events'],
  background: ['util', 'errors', 'nest', 'scope', 'tick', 'events', 'discovery', 'registry'],
  consumers: [
    'util',
    'errors',
    'nest',
    'consumers/source',
    'schedule',
    'scope',
    'tick',
    'events',
    'registry',
  ],
  lifecycle: [
    'util',
    'errors',
    'nest',
    'memory',
    'schedule',
    'scope',
    'tick',
    'options',
    'validation',
    'events',
    'discovery',
    'registry',
    'background',
    'consumers',
  ],
  inspect: [
    'util',
    'errors',
    'nest',
    'graph',
    'schedule',
    'options',
    'validation',
    'discovery',
    'registry',
  ],
  'inspect/cli': ['util', 'errors', 'graph', 'inspect'],
  typeorm: ['util', 'errors', 'events', 'consumers/source', 'scope', 'tick'],
};

/** Entry points of their own (`nestjs-scoped-worker/<name>`): the core imports none of them. */
const subpaths = ['typeorm', 'bullmq'];

/** These have arrows of their own: `consumers/source` apart from those of `consumers`, and so on. */
const nested = Object.keys(arrows).filter((folder) => folder.includes('/'));

/** Matches the files of a folder without those of a nested folder that has its own arrows. */
function filesOf(folder) {
  const below = nested.filter((other) => other.startsWith(`${folder}/`));
  const without = below.map((other) => `(?!${other.slice(folder.length + 1)}/)`).join('');
  return `${folder}/${without}`;
}

const rules = Object.entries(arrows).map(([folder, allowed]) => ({
  name: `arrows-of-${folder}`,
  comment: `lib/${folder} may import only: ${[folder, ...allowed].join(', ')}.`,
  severity: 'error',
  from: { path: `^lib/${filesOf(folder)}` },
  to: {
    path: '^lib/[^/]+/',
    pathNot: `^lib/(${[folder, ...allowed].map(filesOf).join('|')})`,
  },
}));

module.exports = {
  forbidden: [
    ...rules,
    {
      name: 'no-cycles',
      severity: 'error',
      from: { path: '^lib/' },
      to: { circular: true },
    },
    {
      name: 'not-through-the-front-door',
      comment:
        'lib/index.ts and the module are what users import; nothing of the core below them may.',
      severity: 'error',
      from: { path: `^lib/(${Object.keys(arrows).join('|')})/` },
      to: { path: '^lib/[^/]+\\.ts$' },
    },
    {
      name: 'core-without-subpaths',
      severity: 'error',
      from: { path: '^lib/', pathNot: `^lib/(${subpaths.join('|')})/` },
      to: { path: `^lib/(${subpaths.join('|')})/` },
    },
    {
      name: 'typeorm-only-in-its-subpath',
      severity: 'error',
      from: { path: '^lib/', pathNot: '^lib/typeorm/' },
      to: { path: '(^|node_modules/)(typeorm|@nestjs/typeorm)(/|$)' },
    },
    {
      name: 'inside-of-nest-only-in-lib-nest',
      comment: 'Deep imports such as @nestjs/core/injector/... belong into lib/nest.',
      severity: 'error',
      from: { path: '^lib/', pathNot: '^lib/nest/' },
      to: { path: '(^|node_modules/)@nestjs/(core|common)/(?!index\\.(js|d\\.ts)$).+' },
    },
    {
      name: 'lib-stands-alone',
      severity: 'error',
      from: { path: '^lib/' },
      to: { path: '^(test|sample-app|bench|dist[^/]*)/' },
    },
    {
      name: 'resolvable',
      severity: 'error',
      from: { path: '^lib/' },
      to: { couldNotResolve: true },
    },
    {
      name: 'no-development-dependencies',
      comment: 'What lib imports must be a dependency or a peer of the package.',
      severity: 'error',
      from: { path: '^lib/' },
      to: { dependencyTypes: ['npm-dev'], dependencyTypesNot: ['npm-peer', 'type-only'] },
    },
  ],
  options: {
    // TypeScript 7 has no parser API for dependency-cruiser; swc reads the same imports.
    parser: 'swc',
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default'],
      extensions: ['.ts', '.js', '.json'],
    },
  },
};
