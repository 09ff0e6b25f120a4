// One life of the daemon's VM part, as a process of its own: it drives the world until nothing is left to do and ends with 0, or
// gets a signal at the step it is told: by SIGKILL it dies, by SIGTERM it stops as the daemon does and says `stopped`. Used by
// the tests of crashes. Arguments: folder, RPC address, contract, clock offset, what to do (`settle` or an action of a person
// with its token id), where the signal comes (`signal@kind/step/state`, or nothing); and for libvirt its address, folders and
// the template's hash. Without these the hypervisor is the fake one, whose world is a file.
import { join } from 'node:path'
import { createClients } from '../chain/any-client.ts'
import { createChainReader } from '../chain/chain-reader.ts'
import type { VmKey } from '../chain/installation.ts'
import { loadOrCreateKey } from '../chain/provisioner-key.ts'
import { createProvisioner } from '../chain/provisioner.ts'
import { MovableClock } from '../clock/clock.ts'
import { createFakeHypervisor } from '../hypervisor/fake/fake-hypervisor.ts'
import { madeUpTemplate } from '../hypervisor/fake/sentinels.ts'
import { openDriver, withRoom } from '../hypervisor/libvirt/test-stand.ts'
import type { Hypervisor } from '../hypervisor/port.ts'
import { openStore } from '../store/store.ts'
import { beginAction, type TaskAction } from './operations.ts'
import { createReconciler } from './reconciler.ts'
import { inventedTemplate, testPorts } from './test-ports.ts'

const [folder = '', rpcUrl = '', contract = '', offset = '0', todo = 'settle', death = '', ...libvirt] = process.argv.slice(2)
const [deathBy, deathAt] = death.split('@') as [NodeJS.Signals, string | undefined]
const [uri, pool = '', runFolder = '', imageSha256] = libvirt
const template = imageSha256 ?? inventedTemplate
const clock = new MovableClock(Number(offset))
const key = await loadOrCreateKey(join(folder, 'key'))
const store = await openStore(join(folder, 'freehold.db'), { clock })
const clients = createClients([rpcUrl])
const reader = createChainReader({ clients, chainId: 31337, contract: contract as `0x${string}`, confirmations: 1, clock })
const provisioner = createProvisioner({
  clients,
  reader,
  key,
  transactions: store.transactions,
  clock,
  maxFeePerTransactionWei: 10n ** 17n,
  maxFeePerDayWei: 10n ** 18n,
  pollMs: 20,
})
const ports = testPorts(store, clock)
/** What a guest does when it has booted: it reports itself. The tiny guest has no agent of ours, the fake one none at all. */
function report(key: VmKey): void {
  const hostKey = { fingerprint: `SHA256:${key.generation}`, publicKey: 'ssh-ed25519 AAAA' }
  void store.vms.mark(key, { reportedAt: clock.now(), hostKey }).then(() => ports.reports.reported(key))
}

async function openHypervisor(): Promise<Hypervisor & { close(): Promise<void> }> {
  if (uri !== undefined) {
    const driver = await openDriver(uri, pool, runFolder)
    const start: Hypervisor['start'] = async (key, options) => {
      await driver.start(key, options)
      report(key)
    }
    return Object.assign(withRoom(driver), { start })
  }
  const fake = createFakeHypervisor({
    clock,
    storages: ['local'],
    createSeconds: 0,
    file: join(folder, 'world'),
    onStart: (record) => report(record.key),
  })
  await fake.importTemplate({ path: madeUpTemplate, sha256: template })
  return fake
}

const hypervisor = await openHypervisor()
let changes = 0
const reconciler = await createReconciler({
  contracts: [{ reader, provisioner, index: 0 }],
  hypervisor,
  ...ports,
  template: () => Promise.resolve(template),
  taking: { waitSeconds: 86_400, destroysPerDayMinimum: 1000 },
  backOff: { attempts: 1, firstSeconds: 0.1, factor: 1, longestSeconds: 0.1 },
  log: (line, cause) => process.stderr.write(`${line}${cause instanceof Error ? `: ${cause.message}` : ''}\n`),
  // told after the record has reached the disk
  onTaskEvent(event) {
    changes += 1
    if (event.type !== 'task') return
    for (const step of event.task.steps) {
      if (`${event.task.kind}/${step.name}/${step.state}` === deathAt) process.kill(process.pid, deathBy)
    }
  },
})
await provisioner.resume()

let ending: Promise<void> | undefined
/** In the order of the daemon's own stop. */
function end(): Promise<void> {
  ending ??= (async () => {
    await reconciler.stop()
    await provisioner.close()
    await hypervisor.close()
    await store.close()
    process.exit(0)
  })()
  return ending
}
process.on('SIGTERM', () => {
  process.stderr.write('stopped\n')
  void end()
})

/** Passes until nothing is begun and nothing changes. */
async function settle(): Promise<void> {
  for (let quiet = 0, n = 0; quiet < 2 && ending === undefined; n += 1) {
    if (n > 200) throw new Error(`no rest: ${JSON.stringify(reconciler.status())}`)
    const before = changes
    const { began } = await reconciler.pass()
    await reconciler.settled()
    quiet = before === changes && began.every(({ kind }) => kind === 'read-for-taking') ? quiet + 1 : 0
    if (reconciler.status().issues.some((issue) => issue.code === 'vm-work-failing')) await clock.wait(110)
  }
}

// as a daemon's start, but passes are ours to make
await reconciler.takeUp()
if (todo === 'settle') await settle()
else {
  const [action, id] = todo.split(':')
  const row = [...reconciler.books.values()].find((one) => one.tokenId === BigInt(id ?? '0'))
  if (row === undefined) throw new Error('there is no such VM')
  const { installation, tokenId, generation } = row
  await beginAction(reconciler, { installation, tokenId, generation }, action as TaskAction)
  await reconciler.settled()
  await settle()
}
await end()
