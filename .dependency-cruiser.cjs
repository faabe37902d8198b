/** The arrows of lib/: which folder may import which. Every folder is listed; the way of a tick goes downwards. */
const arrows = {
  errors: [],
  checks: [],
  nest: ['errors'],
  graph: ['nest'],
  time: [],
  memory: ['checks'],
  messages: ['checks', 'time', 'errors'],
  schedule: ['checks', 'messages', 'nest', 'errors'],
  decorators: ['schedule'],
  engine: ['schedule', 'time', 'errors'],
  scope: ['graph', 'nest', 'errors'],
  execution: ['checks', 'scope', 'schedule', 'nest', 'time', 'errors'],
  observability: ['execution', 'memory', 'nest', 'schedule', 'scope', 'validation', 'errors'],
  options: ['checks', 'engine', 'execution', 'memory', 'scope', 'schedule', 'errors'],
  leaks: ['checks', 'nest', 'observability', 'options', 'scope', 'errors'],
  validation: ['decorators', 'graph', 'nest', 'options', 'errors'],
  discovery: [
    'checks',
    'decorators',
    'graph',
    'schedule',
    'options',
    'validation',
    'messages',
    'nest',
    'errors',
  ],
  registry: [
    'checks',
    'nest',
    'engine',
    'execution',
    'observability',
    'options',
    'schedule',
    'scope',
    'errors',
  ],
  hosting: [
    'checks',
    'discovery',
    'execution',
    'memory',
    'messages',
    'nest',
    'observability',
    'options',
    'registry',
    'schedule',
    'scope',
    'time',
    'validation',
    'errors',
  ],
  inspection: [
    'discovery',
    'graph',
    'nest',
    'options',
    'registry',
    'schedule',
    'validation',
    'errors',
  ],
  cli: ['checks', 'graph', 'inspection'],
  typeorm: ['checks', 'messages', 'scope', 'time', 'errors'],
};

/** Entry points of their own (`nestjs-scoped-worker/<name>`): the core imports none of them. */
const subpaths = ['typeorm', 'bullmq'];

const rules = Object.entries(arrows).map(([folder, allowed]) => ({
  name: `arrows-of-${folder}`,
  comment: `lib/${folder} may import only: ${[folder, ...allowed].join(', ')}.`,
  severity: 'error',
  from: { path: `^lib/${folder}/` },
  to: {
    path: `^lib/(?!(${[folder, ...allowed].join('|')})/)[^/]+/`,
    // A finding is plain data that the error of the start-up check carries.
    pathNot: '^lib/validation/finding\\.ts$',
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
      to: { path: '^lib/(index|scoped-worker\\.module)\\.ts$' },
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
