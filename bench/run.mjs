// Runs the compiled benchmarks one after another, each in its own process:
//   npm run bench              all of them
//   npm run bench -- <name>    those whose file name contains <name>
//   npm run bench -- <name> --quick   only checks that they work
import { spawnSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const compiled = fileURLToPath(new URL('../dist-bench/', import.meta.url));
const flags = process.argv.slice(2).filter((argument) => argument.startsWith('--'));
const [wanted = ''] = process.argv.slice(2).filter((argument) => !argument.startsWith('--'));
const shared = ['support.js', 'provider-graph.js'];
const files = readdirSync(compiled).filter(
  (file) => file.endsWith('.js') && file.includes(wanted) && !shared.includes(file),
);

if (files.length === 0) {
  console.error(`No benchmark has "${wanted}" in its file name.`);
  process.exit(1);
}
for (const file of files) {
  console.log(`\n# ${file.replace(/\.js$/, '')}`);
  const { status } = spawnSync(process.execPath, ['--expose-gc', compiled + file, ...flags], {
    stdio: 'inherit',
  });
  if (status !== 0) process.exitCode = 1;
}
