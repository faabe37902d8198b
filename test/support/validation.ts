import { expect } from '@jest/globals';
import { ScopeValidationError, type Finding } from '../../lib/index.js';
import { startApp, type TestApp, type TestAppOptions } from './app.js';
import { refusal } from './refusal.js';

/** The findings of an application that must not start under `'strict'`. */
export async function findingsOf({
  options,
  ...metadata
}: TestAppOptions): Promise<readonly Finding[]> {
  const error = await refusal({ ...metadata, options: { scopeValidation: 'strict', ...options } });
  expect(error).toBeInstanceOf(ScopeValidationError);
  return (error as ScopeValidationError).findings;
}

/** Starts an application under `'strict'` of which not one word is to be said. */
export async function startClean({ options, ...metadata }: TestAppOptions): Promise<TestApp> {
  const test = await startApp({
    ...metadata,
    options: { scopeValidation: 'strict', ...options },
  });
  expect(told(test)).toEqual([]);
  return test;
}

/** What is said of an application that starts under `'strict'`. */
export async function wordsAbout({ options, ...metadata }: TestAppOptions): Promise<string[]> {
  return told(await startApp({ ...metadata, options: { scopeValidation: 'strict', ...options } }));
}

/** What was logged of findings, without the notices of workers that another test of the file provides. */
export function told({ log }: TestApp, level?: string): string[] {
  return log.entries
    .filter((entry) => level === undefined || entry.level === level)
    .map(({ message }) => message)
    .filter((message) => /^\[SW\d{3}\] /.test(message) && !message.startsWith('[SW104]'));
}
