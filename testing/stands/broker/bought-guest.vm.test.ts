import assert from 'node:assert/strict'
import { existsSync, statSync } from 'node:fs'
import { chmod, copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'
import { publicAddressesSchema } from '@freehold/appliance/api/schemas/public-ipv6'
import { loginRequestSchema } from '@freehold/appliance/api/schemas/sign-in'
import { vmSchema } from '@freehold/appliance/api/schemas/vms'
import { approve } from '@freehold/appliance/cli/session'
import { walletOf } from '@freehold/appliance/cli/wallet'
import { devWallet } from '@freehold/appliance/dev/dev-wallet'
import { sshLogin } from '@freehold/appliance/dev/ssh-login'
import { until } from '@freehold/appliance/dev/supervisor'
import { run, runOrFail } from 'wireguard-ts/run'
import { z } from 'zod'
import { startInstalledStand, type InstalledStand, type OtherNetwork } from '../bridge/installed.ts'
import { world, type BridgeStand, type Talker } from '../bridge/stand.ts'

const buyer = 5
const place = '45.33.40.2'
const pool = '2a01:7e00:b00::/48'

// boots a Debian guest under emulation: minutes. Each part runs by default in behind-hostd.int.test.ts and the suites of the broker
if (process.env['FREEHOLD_ALL'] === '1') {
  suite('a bought VM on a host behind any line: its public address and name come from a broker', () => {
    let stand: InstalledStand
    let broker: Talker
    let folder = ''
    let stopped = false
    const namespace = `fh${process.pid}w`
    const trace = (line: string): void => (process.env['FREEHOLD_TRACE'] === undefined ? undefined : console.error(line))

    async function network(bridge: BridgeStand): Promise<OtherNetwork> {
      const ip = async (where: string, line: string): Promise<void> =>
        void (await runOrFail(`ip ${line}`, 'ip', ['-n', where, ...line.split(' ')]))
      await runOrFail('make a namespace', 'ip', ['netns', 'add', namespace])
      await ip(namespace, 'link set lo up')
      await ip(bridge.outside, `link add broker type veth peer name up0 netns ${namespace}`)
      for (const line of [
        'addr add 45.33.40.1/24 dev broker',
        'addr add 2a01:7e00:3::1/64 dev broker nodad',
        'link set broker up',
        `-6 route add ${pool} via 2a01:7e00:3::2`,
      ])
        await ip(bridge.outside, line)
      for (const line of [
        `addr add ${place}/24 dev up0`,
        'addr add 2a01:7e00:3::2/64 dev up0 nodad',
        'link set up0 up',
        'route add default via 45.33.40.1',
        '-6 route add default via 2a01:7e00:3::1',
      ])
        await ip(namespace, line)
      await bridge.in(bridge.outside, 'sysctl', '-qw', 'net.ipv4.ip_forward=1', 'net.ipv6.conf.all.forwarding=1')
      // as systemd sets it on an installed host: the daemon pings without any right
      await bridge.in(bridge.host, 'sysctl', '-qw', 'net.ipv4.ping_group_range=0 2147483647')
      await bridge.talker(bridge.host, 'socat', `TCP-LISTEN:8546,fork,reuseaddr,bind=${world.uplink4}`, 'TCP:127.0.0.1:8545')
      const script = join(import.meta.dirname, 'whole-broker.ts')
      broker = await bridge.talker(namespace, process.execPath, script, folder, `http://${world.uplink4}:8546`, place, pool)
      await until('the broker', 300, async () => {
        if (broker.child.exitCode !== null) throw new Error(broker.lines.join('\n'))
        return broker.lines.some((line) => line.startsWith('serving '))
      })
      const registry = broker.lines.find((line) => line.startsWith('serving '))?.split(' ')[1]
      void announce(bridge)
      // Debian 13's ping has no capability of its own, so a process without any may run it; a copy has none either
      await copyFile('/usr/bin/ping', join(folder, 'ping'))
      await chmod(join(folder, 'ping'), 0o755)
      return {
        network: `broker: { registry: "${registry}", path: chain, maxPricePerDayWei: "1000000000000" }`,
        environment: [`PATH=${folder}:${process.env['PATH'] ?? ''}`, `NODE_EXTRA_CA_CERTS=${join(folder, 'root.crt')}`],
      }
    }

    /** As systemd does: the announcer runs once there is something to say, and reads it again when it changes. */
    async function announce(bridge: BridgeStand): Promise<void> {
      const conf = join(bridge.folder, 'announce/radvd.conf')
      await until('the announcer’s file', 600, async () => stopped || existsSync(conf))
      if (stopped) return
      // a signal before it listens to signals would end it: only what changes after its start is told
      let read = statSync(conf).mtimeMs
      const radvd = await bridge.talker(
        bridge.host,
        'radvd',
        '--nodaemon',
        '--logmethod',
        'stderr',
        '--config',
        conf,
        '--pidfile',
        join(folder, 'radvd.pid'),
      )
      await until('the end', 3600, async () => {
        const now = statSync(conf, { throwIfNoEntry: false })?.mtimeMs
        if (stopped || now === undefined || radvd.child.exitCode !== null || radvd.child.signalCode !== null) return true
        if (now !== read && radvd.lines.some((line) => line.includes('started'))) {
          radvd.child.kill('SIGHUP')
          read = now
        }
        return false
      }).catch(() => undefined)
    }

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), 'freehold-whole-broker-'))
      await chmod(folder, 0o755)
      stand = await startInstalledStand(trace, network)
      await mkdir(`/etc/netns/${stand.bridge.outside}`, { recursive: true })
      await writeFile(`/etc/netns/${stand.bridge.outside}/resolv.conf`, `nameserver ${place}\n`)
    })
    after(async () => {
      stopped = true
      // Knot, Caddy and the broker are children of a child: what is in its namespace is ours
      const { stdout } = await run('ip', ['netns', 'pids', namespace])
      for (const pid of stdout.split('\n').filter((line) => line !== '')) {
        try {
          process.kill(Number(pid), 'SIGKILL')
        } catch {
          // it ended by itself
        }
      }
      if (stand !== undefined) await rm(`/etc/netns/${stand.bridge.outside}`, { recursive: true, force: true })
      await stand?.stop()
      await runOrFail('remove a namespace', 'ip', ['netns', 'delete', namespace]).catch(() => undefined)
      await rm(folder, { recursive: true, force: true })
    })

    test('bought, it opens port 80 and is fetched from the Internet by its name', async (t) => {
      const bought = await stand.freehold(buyer, 'buy', 'Small', '--for', '2d', '--yes')
      const { vmId } = z.object({ vmId: z.string() }).parse(JSON.parse(bought))
      const shown = await stand.operator.call(vmSchema, 'GET', `/v1/vms/${vmId}`)
      assert.match(shown.addresses.ipv6 ?? '', /^2a01:7e00:b00:/)
      assert.ok(shown.ssh !== null)
      const answer = 'read line; printf "HTTP/1.0 200 OK\\r\\n\\r\\nfrom the guest\\n"'
      const serve = `sudo systemd-run --quiet systemd-socket-activate --listen=80 --accept --inetd sh -c '${answer}' && echo serves`
      const result = await sshLogin({
        ...shown.ssh,
        command: [serve],
        within: ['ip', 'netns', 'exec', stand.bridge.outside],
        async onUrl(url) {
          const visitor = stand.visitor()
          const view = await visitor.call(loginRequestSchema, 'GET', `/v1/login-requests/${new URL(url).pathname.slice(3)}`)
          return (await approve(visitor, view, walletOf(devWallet(buyer)), stand.origin)).replyCode ?? ''
        },
        onPrompt: async () => '',
      })
      assert.match(result.stdout, /serves/, result.screen)
      const named = await stand.freehold(buyer, 'name', vmId, 'shop-of-five')
      const { addresses } = publicAddressesSchema.parse(JSON.parse(named))
      assert.equal(addresses[0]?.name, 'shop-of-five.vm.example.net')
      assert.equal(addresses[0].address, shown.addresses.ipv6)
      t.diagnostic(`${addresses[0].name} is ${addresses[0].address}`)
      const fetch = () =>
        stand.bridge.in(
          stand.bridge.outside,
          'curl',
          '--silent',
          '--show-error',
          '--max-time',
          '20',
          '--ipv6',
          'http://shop-of-five.vm.example.net/',
        )
      let fetched = await fetch()
      await until('the guest to have made its address', 120, async () => {
        fetched = await fetch()
        return fetched.code === 0
      }).catch(() => undefined)
      assert.equal(fetched.stdout, 'from the guest\n', fetched.stderr)
    })
  })
}
