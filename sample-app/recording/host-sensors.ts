import { Injectable } from '@nestjs/common';
import { statfs } from 'node:fs/promises';
import { freemem, loadavg } from 'node:os';

const MB = 1024 * 1024;

/** Reads the sensors of this host that answer at once. */
@Injectable()
export class HostSensors {
  async read() {
    const disk = await statfs(process.cwd());
    return {
      loadAverage: loadavg()[0]!,
      freeMemoryMb: freemem() / MB,
      heapUsedMb: process.memoryUsage().heapUsed / MB,
      freeDiskMb: (disk.bavail * disk.bsize) / MB,
    };
  }
}
