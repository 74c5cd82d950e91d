/** Imports go downwards: web, then the parts, then store, then core. */
module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'core-imports-nothing',
      severity: 'error',
      from: { path: '^src/core' },
      to: {
        pathNot: '^src/core|node_modules/(libphonenumber-js|iso-3166|ipaddr\\.js|@noble/ciphers)/',
        dependencyTypesNot: ['core'],
        path: '.',
      },
    },
    {
      name: 'core-does-no-io',
      severity: 'error',
      from: { path: '^src/core' },
      to: { dependencyTypes: ['core'], pathNot: '^(node:)?(crypto|buffer|util|url)$' },
    },
    {
      name: 'only-store-imports-mongoose',
      severity: 'error',
      from: { path: '^src', pathNot: '^src/store' },
      to: { path: 'node_modules/mongoose/' },
    },
    {
      name: 'only-queue-imports-bullmq',
      severity: 'error',
      from: { path: '^src', pathNot: '^src/(queues\\.ts|web/staff/queue-board\\.ts)$' },
      to: { path: 'node_modules/bullmq/' },
    },
    {
      name: 'adapters-know-the-interface-only',
      comment: 'Beside the interface, core and the one HTTP client with its mechanics.',
      severity: 'error',
      from: { path: '^src/sync/destinations' },
      to: {
        path: '^src',
        pathNot: '^src/(core/|sync/(destination|provider-error|http|public-fetch|pace)\\.ts$|sync/destinations/)',
      },
    },
    {
      name: 'store-imports-only-core',
      severity: 'error',
      from: { path: '^src/store' },
      to: { path: '^src', pathNot: '^src/(store|core)/' },
    },
    {
      name: 'only-composers-import-web',
      severity: 'error',
      from: { path: '^src', pathNot: '^src/(web/|compose\\.ts$|late-start\\.ts$)' },
      to: { path: '^src/web' },
    },
    {
      name: 'only-starters-import-compose',
      severity: 'error',
      from: { path: '^src', pathNot: '^src/(main\\.ts|late-start\\.ts|cli/)' },
      to: { path: '^src/compose\\.ts$' },
    },
    {
      name: 'only-starters-import-the-machine',
      comment: 'Everything else is given one: docs/architecture.md, time and chance.',
      severity: 'error',
      from: { path: '^src', pathNot: '^src/(foundation\\.ts|config/secrets\\.ts|main\\.ts|cli/)' },
      to: { path: '^src/machine\\.ts$' },
    },
    {
      name: 'only-starters-import-embedded',
      severity: 'error',
      from: { path: '^src', pathNot: '^src/(embedded/|main\\.ts|cli/)' },
      to: { path: '^src/embedded' },
    },
    { name: 'nothing-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    parser: 'swc',
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
      extensions: ['.ts', '.js', '.cjs', '.mjs', '.json'],
      extensionAlias: { '.js': ['.ts', '.js'] },
    },
  },
};
