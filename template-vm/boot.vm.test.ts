import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import getPort from 'get-port'
import { bootTemplate, makeSeed, type BootedGuest } from './boot.ts'
import { builtTemplate } from './checks/built-template.ts'
import { guestExec } from './guest-agent.ts'

let folder: string
let seedIso: string
let image: string
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'freehold-vm-test-'))
  seedIso = await makeSeed(join(folder, 'seed.iso'))
  ;({ image } = await builtTemplate())
})
after(() => rm(folder, { recursive: true, force: true }))

const boot = async (firmware: 'bios' | 'uefi'): Promise<BootedGuest> =>
  bootTemplate({ image, seedIso, memoryMiB: 512, vcpus: 1, port: await getPort({ host: '127.0.0.1' }), firmware })
const shell = async (guest: BootedGuest, command: string): Promise<string> => {
  const { exitCode, stdout } = await guestExec(guest.agentSocket, '/bin/sh', ['-c', command])
  assert.equal(exitCode, 0, `${command}: ${stdout}`)
  return stdout.trim()
}
const hostKey = (guest: BootedGuest) => shell(guest, 'cut -d" " -f1,2 /etc/ssh/ssh_host_ed25519_key.pub')

describe('a booted template', () => {
  let guest: BootedGuest
  before(async () => {
    guest = await boot('bios')
  })
  after(() => guest?.stop())

  test('denies every port but 22', async () => {
    // networkd's DHCP client (68, 546) hears answers only of a server it asked.
    const listening = (await shell(guest, 'ss -ltunH')).split('\n').map((line) => {
      const [protocol = '', , , , local = ''] = line.trim().split(/\s+/)
      return `${protocol} ${local.slice(local.lastIndexOf(':') + 1)}`
    })
    const others = listening.filter((entry) => !['tcp 22', 'udp 68', 'udp 546'].includes(entry))
    assert.deepEqual(others, [])
    assert.ok(listening.includes('tcp 22'))
  })

  test('has no failed unit once it is up', async () => {
    assert.equal(await shell(guest, 'systemctl is-system-running --wait; systemctl list-units --failed --no-legend'), 'running')
  })

  test('has not run cloud-init, as the subscriber gave no user-data', async () => {
    assert.equal(await shell(guest, 'ls /run/cloud-init /var/lib/cloud/instance 2>/dev/null || true'), '')
  })

  test('logs owner in on the serial console', async () => {
    // the guest answers before its last getty has started
    const wait = 'i=0; until ps -o user= -t ttyS0 | grep -qx owner; do i=$((i + 1)); [ $i -lt 60 ]; sleep 1; done'
    assert.match(await shell(guest, `set -e; ${wait}; ps -o user= -t ttyS0`), /^owner$/m)
  })

  test('makes its own host key: two machines, two keys', async () => {
    const second = await boot('bios')
    try {
      assert.notEqual(await hostKey(second), await hostKey(guest))
    } finally {
      await second.stop()
    }
  })
})

if (process.env['FREEHOLD_ALL'] === '1') {
  test('boots by UEFI', async () => {
    const guest = await boot('uefi')
    try {
      assert.equal(await shell(guest, 'test -d /sys/firmware/efi && echo uefi'), 'uefi')
    } finally {
      await guest.stop()
    }
  })

  test('runs cloud-init for user-data of the subscriber, and leaves host key and network alone', async () => {
    const userData = '#cloud-config\nruncmd: [[touch, /var/tmp/ran]]\n'
    const seed = await makeSeed(join(folder, 'with-user-data.iso'), { 'user-data': userData })
    const guest = await bootTemplate({
      image,
      seedIso: seed,
      memoryMiB: 512,
      vcpus: 1,
      port: await getPort({ host: '127.0.0.1' }),
    })
    try {
      const key = await hostKey(guest)
      await shell(guest, 'i=0; until [ -e /var/tmp/ran ]; do i=$((i + 1)); [ $i -lt 300 ]; sleep 1; done')
      assert.equal(await hostKey(guest), key)
      assert.equal(await shell(guest, 'ls /run/systemd/network /etc/netplan 2>/dev/null | grep -c cloud-init || true'), '0')
    } finally {
      await guest.stop()
    }
  })
}
