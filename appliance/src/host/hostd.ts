import { mkdir } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import { systemClock } from '../clock/clock.ts'
import { run, runOrFail } from '../hypervisor/libvirt/run.ts'
import { hostSocket } from './client.ts'
import { createHost } from './host.ts'
import { serve } from './server.ts'

// freehold-hostd: the one process that is root. Its arguments come from its unit, never from a caller.
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    socket: { type: 'string', default: hostSocket },
    state: { type: 'string', default: '/var/lib/freehold-hostd' },
    group: { type: 'string', default: 'freehold' },
    'announce-file': { type: 'string' },
    'tap-owner': { type: 'string', default: 'freehold-vm' },
    /** How often the kernel is compared with the kept set. */
    'refresh-ms': { type: 'string', default: '30000' },
  },
})
const refreshMs = Number(values['refresh-ms'])

const log = (line: string, cause?: unknown): void =>
  console.error(cause instanceof Error ? `${line}: ${cause.name}: ${cause.message}` : line)

async function idOf(database: 'passwd' | 'group', name: string): Promise<number> {
  if (/^\d+$/.test(name)) return Number(name)
  const line = await runOrFail(`find ${name} in ${database}`, 'getent', [database, name])
  return Number(line.split(':')[2])
}

await mkdir(values.state, { recursive: true, mode: 0o700 })
const tapOwner = await idOf('passwd', values['tap-owner'])
const announceFile = values['announce-file']
const host = createHost({
  stateFolder: values.state,
  tapOwner,
  clock: systemClock,
  log,
  ...(announceFile !== undefined && { announceFile }),
})
if (positionals[0] === 'clean-up') {
  await host.cleanUp()
  process.exit(0)
}
await host.restore()
const server = await serve({ host, socketPath: values.socket, group: await idOf('group', values.group), log })
// libvirtd is ordered after this: no guest starts before its rules stand
if (process.env['NOTIFY_SOCKET'] !== undefined) await run('systemd-notify', ['--ready'])
log('freehold-hostd is up')

const stopping = new AbortController()
for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    stopping.abort()
    // taps, rules and the kernel's tunnels stay: guests run on, as isolated as before
    void host.stop().finally(() => server.close(() => process.exit(0)))
  })
}
while (!stopping.signal.aborted) {
  await systemClock.wait(refreshMs, stopping.signal)
  if (!stopping.signal.aborted) await host.refresh().catch((error: unknown) => log('the kernel could not be compared', error))
}
