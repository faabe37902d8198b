#!/usr/bin/env node
import { runCommand } from './command.js';

// No `process.exit()`: the process ends by itself when all output has reached the pipe.
const exitCode = await runCommand(process.argv.slice(2));
if (exitCode !== undefined) process.exitCode = exitCode;
