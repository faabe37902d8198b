/** Words for Node's names of resources. Others are shown by Node's name. */
const WORDS: Readonly<Record<string, string>> = {
  Timeout: 'timer',
  Immediate: 'immediate',
  TCPSocketWrap: 'TCP connection',
  TCPServerWrap: 'TCP server',
  TCPConnectWrap: 'TCP connection that waits for an answer',
  TLSWrap: 'TLS connection',
  PipeWrap: 'pipe',
  PipeServerWrap: 'pipe server',
  ProcessWrap: 'child process',
  MessagePort: 'message port',
  GetAddrInfoReqWrap: 'DNS lookup',
  FSReqPromise: 'file operation',
  FSReqCallback: 'file operation',
};

/** Finds the resources that keep this process alive and did not exist at the construction. */
export class OpenResources {
  readonly #before = counted();

  /** Returns one note, or none. */
  notes(): string[] {
    const open: string[] = [];
    for (const [name, count] of counted()) {
      const added = count - (this.#before.get(name) ?? 0);
      if (added > 0) open.push(`${added} ${WORDS[name] ?? name}${added === 1 ? '' : 's'}`);
    }
    return open.length === 0 ? [] : [`Still open: ${open.join(', ')}.`];
  }
}

function counted(): Map<string, number> {
  const counts = new Map<string, number>();
  for (const name of process.getActiveResourcesInfo())
    counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}
