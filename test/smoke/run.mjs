import { spawnSync } from 'node:child_process';

/** Runs a command to its end; returns what it printed. @throws Error with all its output, unless it ends with 0. */
export function run(command, args, cwd) {
  const { status, stdout, stderr, error } = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    timeout: 300_000,
    // The settings of the npm that runs this script must not reach the apps.
    env: Object.fromEntries(
      Object.entries(process.env).filter(
        ([name]) => !/^npm_(package|lifecycle)_|^NODE_OPTIONS$/.test(name),
      ),
    ),
  });
  if (status !== 0) {
    throw new Error(`${command} ${args.join(' ')}\n${stdout}\n${stderr}`, { cause: error });
  }
  return stdout;
}

/** Runs a command that has to fail. @throws Error unless its output has the text. */
export function refused(text, command, args, cwd) {
  let output;
  try {
    output = run(command, args, cwd);
  } catch (error) {
    if (error.message.includes(text)) return;
    throw error;
  }
  throw new Error(`${command} ${args.join(' ')} was not refused:\n${output}`);
}
