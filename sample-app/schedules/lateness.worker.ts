import { ScopedWorker, type Tick } from 'nestjs-scoped-worker';
import { ScopeNotes } from '../ticks/scope-notes.js';

/** Has no schedule at first; `POST /schedules` adds some at run time. */
@ScopedWorker()
export class LatenessWorker {
  constructor(private readonly notes: ScopeNotes) {}

  /** Notes how late the tick is. */
  tell({ scheduledAt, latenessMs, scope }: Tick): void {
    const due = scheduledAt.toTimeString().slice(0, 8);
    this.notes.write(scope, { text: `due ${due}, ${(latenessMs / 1000).toFixed(1)} s late` });
  }
}
