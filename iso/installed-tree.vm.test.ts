import assert from 'node:assert/strict'
import { chownSync, statSync, writeFileSync } from 'node:fs'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join, resolve } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { vmSchema, type VmView } from '@freehold/appliance/api/schemas/vms'
import { loginRequestSchema } from '@freehold/appliance/api/schemas/sign-in'
import { statusSchema } from '@freehold/appliance/api/schemas/status'
import type { ApiClient } from '@freehold/appliance/cli/client'
import { approve, signIn } from '@freehold/appliance/cli/session'
import { walletOf } from '@freehold/appliance/cli/wallet'
import { devWallet } from '@freehold/appliance/dev/dev-wallet'
import { sshLogin } from '@freehold/appliance/dev/ssh-login'
import { until } from '@freehold/appliance/dev/supervisor'
import { visitorAt } from '../testing/stands/bridge/installed.ts'
import { buySmallest, untilReady } from '../testing/stands/purchase.ts'
import { openTree, unpackTree, type InstalledTree } from './installed-tree.ts'
import { mirrorHosts, ownThings } from './own-things.ts'
import { openStand, type Stand } from './stand.ts'

// Purchase and login on what the image installs: its own files, programs and libraries, outside an emulated machine, in which a guest
// would be emulated twice. The units' sandboxes need systemd: they are in force in open.vm.test.ts. With --all only: needs the image.
if (process.env['FREEHOLD_ALL'] === '1') {
  const origin = 'https://shop.example'
  const holder = walletOf(devWallet(4))
  const patience = 900
  const answers = `version: 1
mode: installed
origin: ${origin}
chain: { chainId: 31337, name: Test, rpcUrls: ["http://127.0.0.1:8545"], confirmations: 1 }
roles: { owner: "${devWallet(1).address}", treasury: "${devWallet(2).address}" }
plans:
  - { name: Small, vcpus: 1, memoryMiB: 512, diskGiB: 4, graceDays: 7, capacity: 2, prices: { native: "1000000000000000" } }
hypervisor: { kind: libvirt }
`

  suite('the installed tree', () => {
    let stand: Stand
    let tree: InstalledTree
    let client: ApiClient
    let vm: VmView
    let own: string[]
    const there = (path: string): string => join(tree.root, path)

    before(async () => {
      stand = await openStand()
      const root = unpackTree(stand.iso, stand.folder)
      // as it lies on the medium: what starts below makes things of its own
      own = ownThings(root, mirrorHosts())
      tree = await openTree(root)
      const anvil = resolve(import.meta.dirname, '../node_modules/@foundry-rs/anvil-linux-amd64/bin/anvil')
      tree.start(anvil, '--silent', '--block-time', '1', '--slots-in-an-epoch', '1', '--disable-block-gas-limit')
      tree.startUnit('freehold-hostd')
      await until('the root helper', 120, async () => Promise.resolve(tree.log('freehold-hostd').includes('is up')))
      tree.startUnit('freehold-libvirtd')
      tree.startUnit('freeholdd')
      await until('the daemon', 120, async () => Promise.resolve(tree.log('freeholdd').includes('is up')))
    })
    after(async () => {
      tree?.stop()
      await stand?.close()
    })

    test('I1 on the medium it has no password, key, certificate or identity of its own, starts no sshd, and knows no archive', () => {
      assert.deepEqual(own, [])
    })

    test('M10 an answer file brings it to an open storefront, with the guest image and the libvirt of the image', async () => {
      const secrets = there('var/lib/freehold/secrets')
      // a key that has funds there, so that setup waits for nothing
      const daemon = statSync(there('var/lib/freehold'))
      const file = join(secrets, 'deployer.key')
      tree.run('install', '-d', '-m', '0700', '-o', 'freehold', '-g', 'freehold', '/var/lib/freehold/secrets')
      writeFileSync(file, `${devWallet(0).privateKey}\n`, { mode: 0o600 })
      chownSync(file, daemon.uid, daemon.gid)
      writeFileSync(there('etc/freehold/answers.yaml'), answers, { mode: 0o600 })
      const words = ['/usr/bin/freehold', '--state', '/var/lib/freehold', 'apply', '/etc/freehold/answers.yaml']
      const apply = spawn(tree.inside[0] ?? '', [...tree.inside.slice(1), ...words], {
        stdio: ['ignore', 'pipe', 'pipe'],
        timeout: 600_000,
      })
      let said = ''
      for (const stream of [apply.stdout, apply.stderr]) stream.on('data', (part: Buffer) => (said += part.toString()))
      const [code] = (await once(apply, 'close')) as [number | null]
      assert.equal(code, 0, `${said}\n${tree.log('freeholdd').slice(-2000)}`)
      client = visitorAt(there('run/freehold/api.sock'), origin, '192.0.2.77')
      const status = await client.call(statusSchema, 'GET', '/v1/status')
      assert.deepEqual([status.storefront, status.hypervisor?.name], ['open', 'libvirt'])
    })

    test('M4 a VM is bought, and is made and delivered by programs of the tree alone', async () => {
      const hash = await buySmallest(client, holder)
      const vmId = await untilReady(client, hash, patience)
      const { now } = await client.call(statusSchema, 'GET', '/v1/status')
      await signIn(client, holder, origin, now)
      vm = await client.call(vmSchema, 'GET', `/v1/vms/${vmId}`)
      assert.equal(vm.state, 'running')
      const programs = tree.programs().filter(({ path }) => !path.endsWith('/anvil'))
      assert.deepEqual(
        programs.filter(({ ofTree }) => !ofTree),
        [],
      )
      for (const name of ['/opt/freehold/bin/node', '/usr/sbin/libvirtd', '/usr/bin/qemu-system-x86_64'])
        assert.ok(
          programs.some(({ path }) => path === name),
          name,
        )
    })

    test('T1 T2 its holder logs in with stock ssh, a signature and one Enter', async () => {
      assert.ok(vm.ssh !== null)
      const host = vm.addresses.ipv4 ?? ''
      const result = await sshLogin({
        ...vm.ssh,
        ...{ host, port: 22, knownHostsLine: `${host} ${vm.ssh.knownHostsLine.replace(/^\S+ /, '')}` },
        command: ['id -un; uname -s'],
        within: tree.within,
        async onUrl(url) {
          const view = await client.call(loginRequestSchema, 'GET', `/v1/login-requests/${new URL(url).pathname.slice(3)}`)
          return (await approve(client, view, holder, origin)).replyCode ?? ''
        },
        onPrompt: async () => Promise.resolve(''),
        timeoutSeconds: patience,
      })
      assert.equal(result.exitCode, 0, result.screen)
      assert.match(result.stdout, /owner\nLinux/)
    })
  })
}
