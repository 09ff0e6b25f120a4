import { connect } from 'node:net'
import type { Clock } from '../clock/clock.ts'
import { AppError } from '../errors/app-error.ts'
import type { VmAddresses } from '../hypervisor/port.ts'

/** Where the host itself reaches a VM's sshd, or undefined if the VM has no address at all. */
export function sshEndpoint(addresses: VmAddresses): { host: string; port: number } | undefined {
  // the inner address first: a forward would only lead back to it
  if (addresses.ipv4 !== null) return { host: addresses.ipv4, port: 22 }
  if (addresses.ipv6 !== null) return { host: addresses.ipv6, port: 22 }
  return addresses.sshPort === null ? undefined : { host: '127.0.0.1', port: addresses.sshPort }
}

/**
 * The first line of an SSH server (`SSH-2.0-…`), or undefined if none came within `timeoutMs`. A forward accepts connections
 * before the guest's sshd is up, so an open port alone proves nothing. Source: RFC 4253 §4.2.
 */
export function readSshBanner(
  at: { host: string; port: number },
  timeoutMs: number,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const { promise, resolve } = Promise.withResolvers<string | undefined>()
  const socket = connect({ host: at.host, port: at.port })
  let text = ''
  const end = (banner?: string): void => {
    signal?.removeEventListener('abort', onAbort)
    socket.destroy()
    resolve(banner)
  }
  const onAbort = (): void => end()
  signal?.addEventListener('abort', onAbort, { once: true })
  socket.setTimeout(timeoutMs, () => end())
  socket.on('error', () => end())
  socket.on('close', () => end())
  socket.on('data', (bytes) => {
    text += bytes.toString('latin1')
    const line = text.split('\n').find((l) => l.startsWith('SSH-2.0-'))
    if (line !== undefined && text.includes('\n')) end(line.trimEnd())
    else if (text.length > 8192) end()
  })
  return promise
}

/** Asks a VM's sshd until it answers. */
export interface SshdProbe {
  /** Resolves once the banner was read; rejects with AppError `timed-out`, or with the signal's reason. */
  waitForBanner(addresses: VmAddresses, signal: AbortSignal): Promise<void>
}

/** The real probe: a try every half second, for at most `timeoutSeconds`. */
export function createSshdProbe(clock: Clock, timeoutSeconds = 900): SshdProbe {
  return {
    async waitForBanner(addresses, signal) {
      const at = sshEndpoint(addresses)
      if (at === undefined) throw new AppError({ code: 'timed-out', detail: 'The VM has no address at which sshd could answer.' })
      const deadline = performance.now() + timeoutSeconds * 1000
      while (performance.now() < deadline) {
        signal.throwIfAborted()
        if ((await readSshBanner(at, 5000, signal)) !== undefined) return
        await clock.wait(500, signal)
      }
      signal.throwIfAborted()
      throw new AppError({ code: 'timed-out', detail: `No SSH server answered at ${at.host} port ${at.port}.` })
    },
  }
}
