/** The texts about application transactions that can't continue on an SQLite file. */

export function forgottenText(file: string): string {
  return `A query runner was released while its transaction was open. The library rolled the transaction back, so that other code can write to ${file}. Call commitTransaction() or rollbackTransaction() before release().`;
}

export function lateText(file: string): string {
  return `The library refused to begin a transaction on ${file}, because the transaction around it was already ending. Await it in the callback of the outer transaction, or begin it after the outer one has ended.`;
}

export function failedText(file: string): string {
  return `A transaction on ${file} failed while another one inside it was open. Both were rolled back, and the rest of the inner one was not sent. Await the inner transaction, even if concurrent work fails.`;
}

export function destroyedText(file: string): string {
  return `The data source of ${file} was destroyed while a transaction of the application was open, so the rest of the transaction was not sent. Await the work before you call destroy().`;
}

export function releasedText(file: string): string {
  return `A query runner was released before its statement could write to ${file}, so the statement was not sent. Await the statement before you call release().`;
}
