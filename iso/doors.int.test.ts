import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, suite, test } from 'node:test'

// The image's own rules in a network namespace with something behind every port, and a neighbour that tries them. Needs root.
const id = process.pid % 100_000
const [host, neighbour] = [`fhd${id}h`, `fhd${id}n`]
const includes = join(import.meta.dirname, 'config/includes')

/** ssh, the doors, Proxmox's pages, the server of our pages, SPICE, a cluster, the ssh ports of VMs and both beside them. */
const listening = [22, 80, 443, 3128, 8006, 8462, 19_999, 20_000, 29_999, 30_000, 60_000]
const always = [80, 443, 20_000, 29_999]

const listen = `const net = require('node:net'); let n = 0
for (const port of process.argv.slice(1)) net.createServer((s) => s.end()).listen({ port, host: '::' }, () => { if (++n === process.argv.length - 1) console.log('ready') })`
/** Prints, per address, the ports that a connection is made to. A starved process looks at what arrived before it gives up. */
const knock = `const net = require('node:net'); const [ports, ...addresses] = process.argv.slice(1)
const one = (host, port) => new Promise((done) => {
  const s = net.connect({ host, port }, () => { s.destroy(); done(true) })
  s.on('error', () => done(false)); setTimeout(() => setImmediate(() => setImmediate(() => { s.destroy(); done(false) })), 2500)
})
Promise.all(addresses.map(async (host) => {
  const open = await Promise.all(ports.split(',').map((port) => one(host, Number(port))))
  return ports.split(',').map(Number).filter((_, i) => open[i])
})).then((found) => { console.log(JSON.stringify(found)); process.exit(0) })`

suite('the doors of an installed host', () => {
  const folder = mkdtempSync(join(tmpdir(), 'fh-doors-'))
  const ip = (...args: string[]) => execFileSync('ip', args, { stdio: ['ignore', 'ignore', 'inherit'] })
  const inHost = (...args: string[]) => execFileSync('ip', ['netns', 'exec', host, ...args], { encoding: 'utf8' })
  let server: ChildProcess

  before(async () => {
    for (const name of [host, neighbour]) ip('netns', 'add', name)
    ip('link', 'add', 'up0', 'netns', host, 'type', 'veth', 'peer', 'name', 'up0', 'netns', neighbour)
    for (const [name, last] of [
      [host, 1],
      [neighbour, 2],
    ] as const) {
      ip('-n', name, 'link', 'set', 'lo', 'up')
      ip('-n', name, 'address', 'add', `192.0.2.${last}/24`, 'dev', 'up0')
      ip('-n', name, 'address', 'add', `2001:db8::${last}/64`, 'dev', 'up0', 'nodad')
      ip('-n', name, 'link', 'set', 'up0', 'up')
    }
    server = spawn('ip', ['netns', 'exec', host, process.execPath, '-e', listen, ...listening.map(String)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await new Promise((done) => server.stdout?.once('data', done))
  })
  after(() => {
    server?.kill('SIGKILL')
    for (const name of [host, neighbour]) spawnSync('ip', ['netns', 'delete', name])
    rmSync(folder, { recursive: true })
  })

  const answers = (namespace: string, ...addresses: string[]): unknown =>
    JSON.parse(
      execFileSync('ip', ['netns', 'exec', namespace, process.execPath, '-e', knock, listening.join(','), ...addresses], {
        encoding: 'utf8',
        timeout: 60_000,
      }),
    )
  const fromOutside = (): unknown => answers(neighbour, '192.0.2.1', '2001:db8::1')
  /** As nftables.service does: the file, then what the unit runs after it. */
  const load = (profile: string): void => {
    const file = join(folder, 'profile')
    writeFileSync(file, `${profile}\n`)
    inHost('nft', '-f', join(includes, 'etc/nftables.conf'))
    inHost(join(includes, 'usr/lib/freehold/profile-doors'), file)
  }

  test('without the rules all answer: what is closed below is closed by them', () => {
    assert.deepEqual(fromOutside(), [listening, listening])
  })

  test('profile libvirt: the named ports answer and no other, over both protocols; the machine itself reaches all', () => {
    load('libvirt')
    assert.deepEqual(fromOutside(), [always, always])
    assert.deepEqual(answers(host, '127.0.0.1', '::1'), [listening, listening])
  })

  test('profile proxmox: ssh and its pages besides, and nothing of a cluster; a reload of the rules opens them again', () => {
    const open = [22, ...always.slice(0, 2), 8006, ...always.slice(2)]
    load('proxmox')
    assert.deepEqual(fromOutside(), [open, open])
    load('proxmox')
    assert.deepEqual(fromOutside(), [open, open])
  })

  test('a host that changed its profile back, and one that has none (the medium), is closed', () => {
    load('libvirt')
    assert.deepEqual(fromOutside(), [always, always])
    inHost(join(includes, 'usr/lib/freehold/profile-doors'), join(folder, 'no-such-file'))
    assert.deepEqual(fromOutside(), [always, always])
  })

  test('the unit runs what opens them, at its start and at each reload', () => {
    const unit = readFileSync(join(includes, 'etc/systemd/system/nftables.service.d/50-freehold-profile.conf'), 'utf8')
    for (const when of ['ExecStartPost', 'ExecReload'])
      assert.ok(unit.includes(`\n${when}=/usr/lib/freehold/profile-doors\n`), when)
  })
})
