import 'reflect-metadata';
import { Injectable } from '@nestjs/common';
import { InjectScopedRepository, ScopedTypeOrmModule } from 'nestjs-scoped-worker/typeorm';
import { Entity, PrimaryGeneratedColumn, type Repository } from 'typeorm';

@Entity()
class Invoice {
  @PrimaryGeneratedColumn()
  id!: number;
}

@Injectable()
export class Invoices {
  constructor(@InjectScopedRepository(Invoice) readonly invoices: Repository<Invoice>) {}
}

if (ScopedTypeOrmModule.forFeature([Invoice]).module === undefined) process.exit(1);
