import { Controller, Get } from '@nestjs/common';
import { InjectRepository } from '@nestjs/typeorm';
import { IsNull, Not, type Repository } from 'typeorm';
import { OutboxMessage } from '../outbox/outbox-message.entity.js';

@Controller('dead-letters')
export class DeadLettersController {
  constructor(
    @InjectRepository(OutboxMessage) private readonly messages: Repository<OutboxMessage>,
  ) {}

  /** Returns the latest messages that were put aside, newest first, with the error of their last delivery. */
  @Get()
  latest(): Promise<OutboxMessage[]> {
    return this.messages.find({
      where: { deadAt: Not(IsNull()) },
      order: { deadAt: 'DESC' },
      take: 60,
    });
  }
}
