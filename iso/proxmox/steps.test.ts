import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { archiveKey, hostsWith, interfacesWith, namesItself, sourcesFile } from './texts.ts'
import { profileSteps, steps, type ProxmoxMachine, type Told } from './steps.ts'

class Cut extends Error {}

/** A Debian machine in memory that can become a Proxmox host; `cutAt`: the power goes at that effect. */
class World implements ProxmoxMachine {
  files = new Map<string, string>([
    ['/etc/hosts', '127.0.0.1 localhost\n127.0.1.1 freehold\n'],
    ['/etc/systemd/network/50-freehold.network', 'dhcp'],
  ])
  packages = new Set<string>()
  done: string[] = []
  running = '6.12.41-amd64'
  online = true
  key: Uint8Array = new Uint8Array()
  gatewayAnswers = true
  address: string | undefined = '192.0.2.7'
  secure = false
  effects = 0
  cutAt = Infinity
  private effect(what: string): void {
    this.effects += 1
    if (this.effects === this.cutAt) throw new Cut(what)
    this.done.push(what)
  }
  name = () => Promise.resolve('freehold')
  kernel = () => Promise.resolve(this.running)
  secureBoot = () => Promise.resolve(this.secure)
  uplink = () =>
    Promise.resolve(
      this.address === undefined ? undefined : { device: 'eth0', address: this.address, prefixLength: 24, gateway: '192.0.2.1' },
    )
  read = (file: string) => Promise.resolve(this.files.get(file))
  installed = (name: string) => Promise.resolve(this.packages.has(name))
  async write(file: string, content: string | Uint8Array) {
    this.effect(`write ${file}`)
    this.files.set(file, typeof content === 'string' ? content : 'bytes')
    return Promise.resolve()
  }
  async remove(file: string) {
    this.effect(`remove ${file}`)
    this.files.delete(file)
    return Promise.resolve()
  }
  fetch = () => (this.online ? Promise.resolve(this.key) : Promise.reject(new Error('no route to host')))
  async run(program: string, ...args: string[]) {
    if (!this.online) throw new Error('Could not resolve download.proxmox.com')
    this.effect(`${program} ${args.at(-1) ?? ''}`)
    const at = args.indexOf('install')
    if (at > 0) for (const name of args.slice(at + 1)) this.packages.add(name)
    return Promise.resolve('')
  }
  async succeeds(program: string, ...args: string[]) {
    this.effect([program, ...args].join(' '))
    return Promise.resolve(program !== 'ping' || this.gatewayAnswers)
  }
  async reboot() {
    this.effect('reboot')
    if (this.packages.has('proxmox-default-kernel')) this.running = '6.14.8-2-pve'
    return Promise.resolve()
  }
}

/** The archive's key cannot be had here: a world whose step accepts a key of the pinned hash needs that hash to be of bytes we have. */
const pinned = archiveKey as { sha256: string }
const realHash = pinned.sha256
const bytes = Buffer.from('the key')
const withKey = async (work: () => Promise<void>): Promise<void> => {
  pinned.sha256 = createHash('sha256').update(bytes).digest('hex')
  try {
    await work()
  } finally {
    pinned.sha256 = realHash
  }
}
const told: Told[] = []
const tell = (one: Told) => Promise.resolve(void told.push(one))
const boots = async (world: World, wait: (seconds: number) => Promise<void> = () => Promise.resolve()): Promise<boolean> => {
  for (let boot = 0; boot < 4; boot++) {
    const before = world.running
    if (await profileSteps(world, tell, wait)) return true
    if (world.running === before) return false
  }
  return false
}

test('the key of the archive is pinned by the hash of its maintainers', () => {
  assert.equal(realHash, '136673be77aba35dcce385b28737689ad64fd785a797e57897589aed08db6e45')
})

test('a key with another hash is refused with both hashes; nothing is written and nothing installed', async () => {
  const world = new World()
  world.key = Buffer.from('another key')
  told.length = 0
  assert.equal(await boots(world), false)
  const last = told.at(-1)
  assert.equal(last?.state, 'stopped')
  for (const hash of [realHash, createHash('sha256').update('another key').digest('hex')])
    assert.ok((last?.because ?? '').includes(hash), hash)
  assert.deepEqual([...world.packages], [])
  assert.ok(!world.files.has(sourcesFile) && !world.files.has(archiveKey.file))
})

test('a repository that does not answer is waited for with growing pauses, named each time, and goes on when it is back', async () => {
  await withKey(async () => {
    const world = new World()
    world.key = bytes
    world.online = false
    told.length = 0
    const pauses: number[] = []
    const waited = async (seconds: number): Promise<void> => {
      pauses.push(seconds)
      if (pauses.length === 9) world.online = true
      return Promise.resolve()
    }
    assert.equal(await boots(world, waited), true)
    assert.deepEqual(pauses, [5, 10, 20, 40, 80, 160, 300, 300, 300])
    const waiting = told.filter(({ state }) => state === 'waiting')
    assert.equal(waiting.length, 9)
    for (const one of waiting) assert.match(one.because ?? '', /enterprise\.proxmox\.com does not answer: no route to host/)
  })
})

test('with Secure Boot on it stops before anything is written, also when it was turned on after the kernel came', async () => {
  await withKey(async () => {
    for (const kernelThere of [false, true]) {
      const world = new World()
      world.key = bytes
      if (kernelThere) world.packages.add('proxmox-default-kernel')
      world.secure = true
      told.length = 0
      assert.equal(await boots(world), false)
      assert.deepEqual(world.done, [])
      assert.deepEqual(
        told.map(({ step, state }) => [step, state]),
        [
          ['Secure Boot', 'running'],
          ['Secure Boot', 'stopped'],
        ],
      )
      assert.match(told.at(-1)?.because ?? '', /SecureBoot = 1[^]*Turn it off/)
      // what is told is cut there
      assert.ok((told.at(-1)?.because ?? '').length <= 300)
      world.secure = false
      assert.equal(await boots(world), true)
    }
    // a kernel of Proxmox that runs was let through: by a boot loader that a person put there
    const own = new World()
    own.key = bytes
    own.secure = true
    own.running = '6.14.8-2-pve'
    assert.equal(await boots(own), true)
  })
})

test('without an address it waits before anything is written', async () => {
  const world = new World()
  world.address = undefined
  let waits = 0
  const cut = boots(world, () => (++waits === 3 ? Promise.reject(new Cut()) : Promise.resolve()))
  await assert.rejects(cut, Cut)
  assert.deepEqual(world.done, [])
})

test('in order: host name before any package, the kernel and a restart before the rest, the bridge last', async () => {
  await withKey(async () => {
    const world = new World()
    world.key = bytes
    assert.equal(await boots(world), true)
    const at = (what: string) => world.done.findIndex((one) => one.startsWith(what))
    const order = [
      'write /etc/hosts',
      'write /usr/share/keyrings',
      'apt-get proxmox-default-kernel',
      'reboot',
      'apt-get ifupdown2',
      'write /etc/network/interfaces',
      'ping',
    ].map(at)
    assert.ok(!order.includes(-1), String(order))
    assert.deepEqual(
      order,
      order.toSorted((a, b) => a - b),
    )
    assert.ok(namesItself(world.files.get('/etc/hosts') ?? '', 'freehold', '192.0.2.7'))
    const effects = world.effects
    assert.equal(await boots(world), true)
    assert.equal(world.effects, effects, 'done twice is done once')
  })
})

test('a bridge through which nobody answers is taken back, and tried again later', async () => {
  await withKey(async () => {
    const world = new World()
    world.key = bytes
    world.gatewayAnswers = false
    const waited = async (): Promise<void> => {
      assert.equal(world.files.get('/etc/systemd/network/50-freehold.network'), 'dhcp')
      assert.ok(!world.files.has('/etc/network/interfaces'))
      world.gatewayAnswers = true
      return Promise.resolve()
    }
    assert.equal(await boots(world, waited), true)
  })
})

test('cut at any effect, and started again, it ends in the same world', async () => {
  await withKey(async () => {
    const whole = new World()
    whole.key = bytes
    assert.equal(await boots(whole), true)
    for (let cutAt = 1; cutAt <= whole.effects; cutAt++) {
      const world = new World()
      world.key = bytes
      world.cutAt = cutAt
      // some effects are asked for and may fail: those swallow no cut
      const first = await boots(world).catch((error: unknown) => error)
      world.cutAt = Infinity
      assert.equal(await boots(world), true, `cut at ${cutAt}: ${String(first)}`)
      assert.deepEqual(Object.fromEntries(world.files), Object.fromEntries(whole.files), `cut at ${cutAt}`)
      assert.deepEqual(world.packages.symmetricDifference(whole.packages), new Set())
    }
  })
})

test('the texts: loopback lines of the name go, others stay; the bridge has the uplink’s address', () => {
  const hosts = '127.0.0.1 localhost\n127.0.1.1 freehold.local freehold # Debian\n10.0.0.9 other freeholder\n\n'
  assert.equal(
    hostsWith(hosts, 'freehold', '192.0.2.7'),
    '127.0.0.1 localhost\n10.0.0.9 other freeholder\n192.0.2.7 freehold.local freehold\n',
  )
  assert.ok(!namesItself(hosts, 'freehold', '192.0.2.7'))
  assert.match(
    interfacesWith({ device: 'eno1', address: '192.0.2.7', prefixLength: 24, gateway: '192.0.2.1' }),
    /iface eno1 inet manual[^]*address 192\.0\.2\.7\/24\n\tgateway 192\.0\.2\.1\n\tbridge-ports eno1/,
  )
  assert.equal(steps.length, 7)
})
