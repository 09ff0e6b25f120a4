import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import getPort from 'get-port'
import { z } from 'zod'
import { loadOrCreateKey } from '../chain/provisioner-key.ts'
import { checkout } from '../dev/builds.ts'
import { startEmbedded, type Embedded } from '../dev/embedded.ts'
import { localRpc } from '../dev/local-chain.ts'
import { reliability } from '../dev/reliability.ts'

const buyer = '4'

/** The product in embedded mode on the fake hypervisor; `again` starts it anew on what its folder holds. */
async function openHost(t: TestContext) {
  // short: unix sockets have at most 108 characters
  const stateFolder = await mkdtemp('/tmp/fhr-')
  const [web, rpc, login] = [
    await getPort({ host: '127.0.0.1' }),
    await getPort({ host: '127.0.0.1' }),
    await getPort({ host: '127.0.0.1' }),
  ]
  const answers = `${(await readFile(join(checkout, 'scripts/embedded.yaml'), 'utf8'))
    .replace('http://localhost:8080', `http://localhost:${web}`)
    .replace('http://127.0.0.1:8545', `http://127.0.0.1:${rpc}`)
    .replace(/^hypervisor:\n {2}kind: libvirt/m, 'hypervisor:\n  kind: fake')}listen:\n  login: 127.0.0.1:${login}\n`
  let running: Embedded | undefined
  const stop = async (): Promise<void> => {
    await running?.stop()
    running = undefined
  }
  const start = async (): Promise<Embedded> => {
    running = await startEmbedded({
      stateFolder,
      answers,
      answersFile: 'answers.yaml',
      pages: undefined,
      report: () => undefined,
    })
    await running.setUp(() => undefined)
    return running
  }
  t.after(async () => {
    await stop()
    await rm(stateFolder, { recursive: true, force: true })
  })
  const freehold = (...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> => {
    const { promise, resolve } = Promise.withResolvers<{ code: number; stdout: string; stderr: string }>()
    const child = execFile(
      join(checkout, 'appliance/bin/freehold'),
      ['--host', `http://localhost:${web}`, '--state', stateFolder, ...args],
      { timeout: 120_000, env: { ...process.env, XDG_STATE_HOME: join(stateFolder, 'cli') } },
      (_, stdout, stderr) => resolve({ code: child.exitCode ?? 1, stdout, stderr }),
    )
    return promise
  }
  return { stateFolder, rpcUrl: `http://127.0.0.1:${rpc}`, start, stop, freehold }
}

const worldSchema = z.object({
  vms: z.array(z.object({ key: z.unknown(), state: z.string(), startedAt: z.unknown(), spec: z.unknown(), facts: z.unknown() })),
})

reliability(
  'rebuild-verb',
  'a host whose database files are deleted: `freehold rebuild`, run twice, tells the same and sends nothing',
  async (fault, t) => {
    const host = await openHost(t)
    await host.start()
    const done = async (...args: string[]): Promise<string> => {
      const { code, stdout, stderr } = await host.freehold(...args)
      assert.equal(code, 0, `freehold ${args.join(' ')}: ${stderr}`)
      return stdout
    }
    const bought = JSON.parse(await done('--json', '--dev-wallet', buyer, 'buy', 'Small', '--for', '8d')) as {
      vmId: string
      state: string
    }
    assert.equal(bought.state, 'ready')
    const provisioner = await loadOrCreateKey(join(host.stateFolder, 'secrets/provisioner.key'))
    const world = async () => {
      const stored = await readFile(join(host.stateFolder, 'fake-world.json'), 'utf8')
      return {
        nonce: await localRpc(host.rpcUrl, 'eth_getTransactionCount', [provisioner.address, 'pending']),
        machines: worldSchema.parse(JSON.parse(stored)).vms,
        // what a cancel would pay back goes down with every block
        vms: JSON.parse(await done('--json', '--dev-wallet', buyer, 'vms'), (name, value: unknown) =>
          name === 'refundable' ? undefined : value,
        ) as unknown,
      }
    }
    const before = await world()
    assert.ok(BigInt(String(before.nonce)) > 0n && before.machines.length === 1)

    await host.stop()
    const refused = await host.freehold('rebuild')
    assert.equal(refused.code, 3, `a daemon that is down rebuilds nothing: ${refused.stdout}${refused.stderr}`)
    const files = (await readdir(host.stateFolder)).filter((name) => name.startsWith('freehold.db'))
    for (const name of files) await rm(join(host.stateFolder, name))
    fault.struck(files.length > 0 && !existsSync(join(host.stateFolder, 'freehold.db')))

    await host.start()
    const [first, second] = [await done('--json', 'rebuild'), await done('--json', 'rebuild')]
    assert.deepEqual(JSON.parse(first), { vms: 1, unmatched: [] })
    assert.equal(second, first)
    assert.deepEqual(await world(), before, 'the same VM, and not one transaction more')
    assert.equal((await host.freehold('rebuild')).stderr, '1 VMs are known again.\n')
  },
)
