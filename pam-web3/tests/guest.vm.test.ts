import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { bootTemplate, guestMac, makeSeed, type BootedGuest } from '../../template-vm/boot.ts'
import { builtTemplate } from '../../template-vm/checks/built-template.ts'
import { createLyingHost, holder, secret, stranger, token, type LyingHost } from './lying-host.ts'
import { freePort, until } from './stand.ts'
import { Terminal } from './terminal.ts'

// The whole life of a guest on an emulated machine: seed, report, sign-in, grown disk, end of the session.
let folder: string
let host: LyingHost
let guest: BootedGuest
let port: number
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'freehold-guest-'))
  host = await createLyingHost('')
  const ca = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcH'
  const endpoint = host.facts.endpoint.replace('127.0.0.1', '10.0.2.2')
  const seedIso = await makeSeed(join(folder, 'seed.iso'), {
    'meta-data': JSON.stringify({ 'instance-id': 'freehold:4eff3c5b1f35/42/1', 'local-hostname': 'vm-42' }),
    'network-config': JSON.stringify({
      version: 2,
      ethernets: { eth0: { match: { macaddress: guestMac }, dhcp4: true, dhcp6: false, 'accept-ra': true } },
    }),
    'freehold.json': JSON.stringify({ version: 1, ...host.facts, endpoint, userCa: ca, token }),
  })
  const { image } = await builtTemplate()
  port = await freePort()
  guest = await bootTemplate({ image, seedIso, memoryMiB: 512, vcpus: 1, port, diskGiB: 3 })
})
after(async () => {
  await guest?.stop()
  await host?.stop()
  await rm(folder, { recursive: true, force: true })
})

test('the guest reports the host key that its sshd shows', async () => {
  await until(() => host.reports.length > 0, 'the report', 60)
  assert.equal(host.reports.length, 1)
  await until(() => host.calls.some((call) => call.startsWith('GET /guest/v1/presence')), 'the first presence', 120)
})
test('the guest signs its holder in, as its seed says, and ends the session when the pass moves', async (t) => {
  host.answer = (opened) => host.approve(opened)
  host.presence = { holder: holder.address.toLowerCase(), activeUntil: 1_900_000_000, blockNumber: 1, reason: null }
  const terminal = new Terminal(port)
  await terminal.expect(/paste the reply code: $/, 60)
  terminal.type('\r')
  await terminal.expect(/VM 4eff3c5b1f35-42, subscription until/, 60)
  await terminal.expect(/\$ $/, 60)
  const answers = async (command: string, text: RegExp) => {
    terminal.type(`${command}\r`)
    await terminal.expect(text, 90)
  }
  await answers('hostname; echo host:$?', /vm-42\n.*host:0/s)
  await answers('sudo cat /etc/freehold/secret; echo; echo secret:$?', new RegExp(`${secret}[^]*secret:0`))
  await answers(
    'until [ -e /run/freehold/presence.json ]; do sleep 1; done; ls /run/freehold | cat; echo list:$?',
    /\npresence\.json\nsessions\nlist:0/,
  )
  await answers('grep -c cd /etc/freehold/guest.json; echo token:$?', /0\n.*token:1/s)
  await answers('until [ $(df --output=size -m / | tail -n 1) -gt 2500 ]; do sleep 1; done; echo grown:$?', /grown:0/)
  await answers('sudo sshd -T | grep -i persourcemaxstartups; echo sources:$?', /persourcemaxstartups none[^]*sources:0/)
  await answers('systemctl --failed --no-legend --plain; echo failed:$?', /failed:0/)
  await answers(
    'systemctl is-active freehold-watch freehold-boot freehold-grow; echo units:$?',
    /active\n.*active\n.*active\n.*units:0/s,
  )
  t.diagnostic(terminal.shown)
  host.presence = { holder: stranger.address.toLowerCase(), activeUntil: 1_900_000_000, blockNumber: 2, reason: null }
  await terminal.expect(/Freehold: signed out: the access pass has moved to another wallet\./, 60)
  assert.notEqual(await terminal.exit(), 0)
})
