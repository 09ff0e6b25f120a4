import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import getPort from 'get-port'
import { subscriptionsInterface } from '@freehold/contracts/subscriptions-interface'
import { loadOrCreateKey } from '../chain/provisioner-key.ts'
import { checkout } from '../dev/builds.ts'
import { startEmbedded, type Embedded } from '../dev/embedded.ts'
import { localRpc } from '../dev/local-chain.ts'
import { reliability } from '../dev/reliability.ts'

const buyer = '4'

interface Answered {
  code: number
  stdout: string
  stderr: string
}

function freeholdOf(stateFolder: string, origin: string): (...args: string[]) => Promise<Answered> {
  return (...args) => {
    const { promise, resolve } = Promise.withResolvers<Answered>()
    const child = execFile(
      join(checkout, 'appliance/bin/freehold'),
      ['--host', origin, '--state', stateFolder, ...args],
      { timeout: 240_000, env: { ...process.env, XDG_STATE_HOME: join(stateFolder, 'cli') } },
      (_, stdout, stderr) => resolve({ code: child.exitCode ?? 1, stdout, stderr }),
    )
    return promise
  }
}

suite('freehold backup', () => {
  test('without a daemon: a key is made, a file that is no backup is refused, help names every verb', async (t) => {
    const folder = await mkdtemp(join(tmpdir(), 'freehold-verb-'))
    t.after(() => rm(folder, { recursive: true, force: true }))
    const freehold = freeholdOf(folder, 'http://localhost:1')
    const key = JSON.parse((await freehold('--json', 'backup', 'key')).stdout) as { identity: string; recipient: string }
    assert.match(key.identity, /^AGE-SECRET-KEY-1/)
    assert.match(key.recipient, /^age1/)
    const keyFile = join(folder, 'recovery.key')
    await writeFile(keyFile, `# made by freehold\n${key.identity}\n`)
    await writeFile(join(folder, 'photo'), 'a photograph')
    const refused = await freehold('backup', 'verify', join(folder, 'photo'), '--key-file', keyFile)
    assert.equal(refused.code, 1)
    assert.match(refused.stderr, /\[backup-unreadable\]/)
    assert.equal((await freehold('backup', 'make')).code, 3, 'no daemon answers')
    const help = (await freehold('backup', '--help')).stdout
    for (const verb of ['key', 'make', 'list', 'verify', 'restore']) assert.match(help, new RegExp(`^ {2}${verb}\\b`, 'm'))
  })

  reliability(
    'restore-whole-host',
    'the disk of a host is lost, disks of VMs and chain are not: restored by command line, the paid VM is the same',
    async (fault, t) => {
      // short: unix sockets have at most 108 characters
      const base = await mkdtemp('/tmp/fhb-')
      const [stateFolder, drive] = [join(base, 's'), join(base, 'drive')]
      await mkdir(stateFolder, { mode: 0o700 })
      await mkdir(drive)
      const [web, rpc, login] = [
        await getPort({ host: '127.0.0.1' }),
        await getPort({ host: '127.0.0.1' }),
        await getPort({ host: '127.0.0.1' }),
      ]
      const [origin, rpcUrl] = [`http://localhost:${web}`, `http://127.0.0.1:${rpc}`]
      const freehold = freeholdOf(stateFolder, origin)
      let running: Embedded | undefined
      t.after(async () => {
        await running?.stop()
        await rm(base, { recursive: true, force: true })
      })
      const done = async (...args: string[]): Promise<string> => {
        const { code, stdout, stderr } = await freehold(...args)
        assert.equal(code, 0, `freehold ${args.join(' ')}: ${stderr}`)
        return stdout
      }
      const key = JSON.parse(await done('--json', 'backup', 'key')) as { identity: string; recipient: string }
      const answers = `${(await readFile(join(checkout, 'scripts/embedded.yaml'), 'utf8'))
        .replace('http://localhost:8080', origin)
        .replace('http://127.0.0.1:8545', rpcUrl)
        .replace(
          /^hypervisor:\n {2}kind: libvirt/m,
          'hypervisor:\n  kind: fake',
        )}listen:\n  login: 127.0.0.1:${login}\nbackup: { folder: ${drive}, recipient: ${key.recipient} }\n`
      const start = async (text: string): Promise<Embedded> =>
        (running = await startEmbedded({
          stateFolder,
          answers: text,
          answersFile: 'answers.yaml',
          pages: undefined,
          report: () => undefined,
        }))

      await (await start(answers)).setUp(() => undefined)
      assert.ok(
        (await readdir(drive)).some((name) => name.endsWith('.age')),
        'setup has made the first one and read it back',
      )
      const before = JSON.parse(await done('--json', '--dev-wallet', buyer, 'buy', 'Small', '--for', '8d')) as { vmId: string }
      const made = JSON.parse(await done('--json', 'backup', 'make')) as { name: string; vms: number }
      assert.equal(made.vms, 1)
      const machines = async (): Promise<unknown> =>
        (
          JSON.parse(await readFile(join(stateFolder, 'fake-world.json'), 'utf8')) as { vms: { key: unknown; facts: unknown }[] }
        ).vms.map(({ key: mark, facts }) => ({ mark, facts }))
      const machine = await machines()
      const master = await readFile(join(stateFolder, 'secrets/sign-in/master'))
      const contracts = /^contracts:\n(?: .*\n)+/m.exec(await readFile(join(stateFolder, 'freehold.yaml'), 'utf8'))?.[0] ?? ''
      const provisioner = await loadOrCreateKey(join(stateFolder, 'secrets/provisioner.key'))
      await running?.stop()

      // the host's own disk is lost: chain and disks of VMs lie elsewhere
      await rename(stateFolder, `${stateFolder}.lost`)
      await mkdir(stateFolder, { mode: 0o700 })
      for (const kept of ['chain', 'fake-world.json']) await rename(join(`${stateFolder}.lost`, kept), join(stateFolder, kept))
      await start(answers)
      const keyFile = join(base, 'recovery.key')
      await writeFile(keyFile, key.identity)
      const file = join(drive, made.name)
      const restored = JSON.parse(await done('--json', 'backup', 'restore', file, '--key-file', keyFile)) as { vms: number }
      fault.struck(restored.vms)
      assert.deepEqual(await readFile(join(stateFolder, 'secrets/sign-in/master')), master)

      // answers that forget the contract would deploy a second one: refused
      const answersFile = join(base, 'answers.yaml')
      await writeFile(answersFile, answers)
      const forgetful = await freehold('apply', answersFile)
      assert.match(forgetful.stderr, /\[backup-foreign\]|another installation/)
      await writeFile(answersFile, `${answers}${contracts}restore: { file: ${file}, keyFile: ${keyFile} }\n`)
      const waits = await freehold('apply', answersFile)
      assert.match(waits.stderr, /setProvisioner/, 'the new key acts only once the owner has named it')
      const next = await loadOrCreateKey(join(stateFolder, 'secrets/provisioner.key'))
      assert.notEqual(next.address, provisioner.address)
      const contract = /0x[0-9a-fA-F]{40}/.exec(contracts)?.[0]
      await localRpc(rpcUrl, 'eth_sendTransaction', [
        {
          from: '0x70997970C51812dc3A010C7d01b50e0d17dc79C8',
          to: contract,
          data: subscriptionsInterface.encodeFunctionData('setProvisioner', [next.address]),
        },
      ])
      await localRpc(rpcUrl, 'anvil_mine', ['0x2'])
      await done('apply', answersFile)
      const vms = JSON.parse(await done('--json', '--dev-wallet', buyer, 'vms')) as
        | { vms?: { vmId: string }[] }
        | { vmId: string }[]
      assert.match(JSON.stringify(vms), new RegExp(before.vmId))
      assert.deepEqual(await machines(), machine, 'the same machine, mark and host key')
      const list = JSON.parse(await done('--json', 'backup', 'list')) as { backups: { name: string }[] }
      assert.ok(list.backups.length > 0)
      assert.equal((await freehold('backup', 'restore', file, '--key-file', keyFile)).code, 1, 'a host that is set up takes none')
    },
    { timeout: 400_000 },
  )
})
