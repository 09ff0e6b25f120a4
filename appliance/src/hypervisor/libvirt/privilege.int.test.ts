import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { reliability } from '../../dev/reliability.ts'
import { openStand, processesNaming } from './test-stand.ts'

const domain = (name: string, devices: string): string => `<domain type='qemu'>
  <name>${name}</name><memory unit='MiB'>64</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <devices>${devices}<controller type='usb' model='none'/></devices>
</domain>`

const disk = (file: string): string =>
  `<disk type='file' device='disk'><driver name='qemu' type='raw'/><source file='${file}'/><target dev='vda' bus='virtio'/></disk>`

reliability('isolation-no-root-by-libvirt', 'P1 a domain with a file or device of root fails to start', async (fault, t) => {
  const stand = await openStand(t)
  const start = async (name: string, devices: string) => {
    const file = join(stand.folder, `${name}.xml`)
    await writeFile(file, domain(name, devices))
    return await stand.virsh.ask(['create', file])
  }
  const shadow = await start('shadow', disk('/etc/shadow'))
  assert.notEqual(shadow.code, 0)
  assert.match(shadow.stderr, /Permission denied/)
  const device = await start('device', disk('/dev/vda').replace("type='file'", "type='block'").replace('file=', 'dev='))
  assert.notEqual(device.code, 0)
  const address = "<address domain='0x0000' bus='0x00' slot='0x00' function='0x0'/>"
  const pci = await start('pci', `<hostdev mode='subsystem' type='pci' managed='yes'><source>${address}</source></hostdev>`)
  assert.notEqual(pci.code, 0)
  const bridge = await start('bridge', "<interface type='bridge'><source bridge='fhbr0'/><model type='virtio'/></interface>")
  assert.notEqual(bridge.code, 0)
  const plain = await start('plain', '')
  assert.equal(plain.code, 0, `control: ${plain.stderr}`)
  const pids = processesNaming(stand.folder).concat(stand.machines())
  const programs = await Promise.all(
    pids.map(async (pid) => ({
      name: (await readFile(`/proc/${pid}/comm`, 'utf8')).trim(),
      uids: /^Uid:\s+(.*)$/m.exec(await readFile(`/proc/${pid}/status`, 'utf8'))?.[1]?.split('\t') ?? [],
    })),
  )
  const handling = programs.filter(({ name }) => /^(libvirtd|qemu)/.test(name))
  assert.ok(handling.length >= 1)
  assert.deepEqual(
    handling.filter(({ uids }) => uids.includes('0')),
    [],
    'nothing that sees domain XML is root',
  )
  await stand.virsh.ask(['destroy', 'plain'])
  fault.struck(shadow.stderr)
})
