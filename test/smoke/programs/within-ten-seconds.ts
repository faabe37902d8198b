/** Ends the process with 1 when a program fails, or is not done in time. */
export async function withinTenSeconds(program: Promise<void>): Promise<void> {
  const late = setTimeout(() => fail('Not done within 10 seconds.'), 10_000);
  try {
    await program;
  } catch (error) {
    fail(error);
  }
  clearTimeout(late);
}

function fail(reason: unknown): void {
  console.error(reason);
  process.exit(1);
}
