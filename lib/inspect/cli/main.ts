#!/usr/bin/env node
import { runCommand } from './command.js';

// The exit code is set, and the process left to end by itself: whatever is on its way into a pipe arrives.
const exitCode = await runCommand(process.argv.slice(2));
if (exitCode !== undefined) process.exitCode = exitCode;
