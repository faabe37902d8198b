import {
  BadRequestException,
  ConflictException,
  Injectable,
  NotFoundException,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import {
  DuplicateScheduleError,
  InvalidOptionsError,
  InvalidScheduleError,
  UnknownScheduleError,
} from 'nestjs-scoped-worker';
import { catchError, throwError, type Observable } from 'rxjs';

/** Responds with the library's error text if the request caused an error of the library. */
@Injectable()
export class LibraryErrorsInterceptor implements NestInterceptor {
  intercept(_context: ExecutionContext, next: CallHandler): Observable<unknown> {
    return next.handle().pipe(catchError((error: unknown) => throwError(() => answerTo(error))));
  }
}

function answerTo(error: unknown): unknown {
  if (error instanceof UnknownScheduleError) return new NotFoundException(error.message);
  if (error instanceof DuplicateScheduleError) return new ConflictException(error.message);
  if (error instanceof InvalidScheduleError || error instanceof InvalidOptionsError)
    return new BadRequestException(error.message);
  return error;
}
