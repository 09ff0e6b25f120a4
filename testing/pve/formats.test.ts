import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import * as formats from '@freehold/appliance/hypervisor/proxmox/formats'
import { z } from 'zod'

const { vectors } = z
  .object({ vectors: z.array(z.object({ format: z.string(), value: z.string(), ok: z.boolean() })) })
  .parse(JSON.parse(readFileSync(join(import.meta.dirname, 'data/format-vectors.json'), 'utf8')))

/** Which type of ours speaks a format of the server, and some samples that it must accept, so that it is no wall. */
const ours: Record<string, { type: z.ZodType; accepts: readonly string[] }> = {
  'dns-name': { type: formats.vmName, accepts: ['a', 'vm-1', 'vm.example.com'] },
  'pve-node': { type: formats.nodeName, accepts: ['pve1', 'pve-1', 'PVE1'] },
  'pve-vmid': { type: formats.vmidText, accepts: ['100', '999999999'] },
  'pve-storage-id': { type: formats.storageId, accepts: ['local', 'local-lvm', 'lo.cal'] },
  'pve-volume-id': {
    type: formats.volumeId,
    accepts: ['local:100/vm-100-disk-0.qcow2', 'local-lvm:vm-100-disk-0', 'local:iso/x.iso'],
  },
  'pve-volume-id-or-qm-path': { type: formats.volumeId, accepts: ['local:100/x.raw', 'local:8'] },
  'pve-bridge-id': { type: formats.bridge, accepts: ['vmbr0', 'vnet1', 'br-x'] },
  'pve-tag': { type: formats.tag, accepts: ['a', '_x', 'x-y.z+w'] },
  'pve-tag-list': { type: formats.tag, accepts: ['a', 'a.b'] },
  'pve-poolid': { type: formats.poolId, accepts: ['pool1', 'pool.x'] },
  'pve-roleid': { type: formats.roleId, accepts: ['Role', 'role-1'] },
  'pve-roleid-list': { type: formats.roleId, accepts: [] },
  'pve-userid': { type: formats.userId, accepts: ['root@pam', 'a.b@pve'] },
  'pve-userid-list': { type: formats.userId, accepts: [] },
  'pve-tokenid-list': { type: formats.tokenId, accepts: ['a@pve!t-1'] },
  'pve-configid': { type: formats.snapshotName, accepts: ['snap1', 'snap-1', 'snap_1'] },
  'mac-addr': { type: formats.mac, accepts: ['BC:24:11:00:00:01', '02:00:00:00:00:01'] },
  'disk-size': { type: formats.diskSize, accepts: ['1G'] },
  CIDR: { type: z.union([formats.cidr4, formats.cidr6]), accepts: ['10.0.0.0/24', '2001:db8::/64'] },
  CIDRv4: { type: formats.cidr4, accepts: ['10.0.0.1/32'] },
  CIDRv6: { type: formats.cidr6, accepts: ['fe80::1/128'] },
  IPorCIDR: { type: z.union([formats.cidr4, formats.cidr6]), accepts: ['10.0.0.0/24'] },
  IPorCIDRorAlias: { type: z.union([formats.cidr4, formats.cidr6]), accepts: ['10.0.0.0/24'] },
  'pve-fw-addr-spec': { type: formats.fwAddress, accepts: ['10.0.0.1', '10.0.0.0/24', '::1'] },
  'pve-fw-dport-spec': { type: formats.fwPorts, accepts: ['22', '22,80', '22:80'] },
  'pve-storage-content-list': { type: formats.contentList, accepts: ['images,iso'] },
  'pve-qm-boot': { type: formats.boot, accepts: ['order=scsi0'] },
  'pve-qm-ipconfig': {
    type: formats.ipconfig,
    accepts: ['ip=dhcp', 'ip=10.0.0.2/24,gw=10.0.0.1', 'ip6=auto', 'ip6=2001:db8::2/64,gw6=2001:db8::1', 'ip=dhcp,ip6=auto'],
  },
  'net property string (PVE::QemuServer::parse_net)': { type: formats.net, accepts: ['virtio=BC:24:11:00:00:01,bridge=vmbr0'] },
  'scsi drive (PVE::QemuServer::Drive::parse_drive scsi0)': {
    type: formats.drive,
    accepts: ['local:8', 'local:8,format=qcow2', 'local:100/vm-100-disk-0.qcow2,size=8G', 'none,media=cdrom'],
  },
}

/** Formats of which we send nothing that is not a constant of ours, or nothing at all. */
const neverSent = new Set([
  'address',
  'email-opt',
  'ip',
  'ipv4',
  'ipv6',
  'mac-prefix',
  'prune-backups',
  'pve-command-batch',
  'pve-cpuset',
  'pve-day-of-week-list',
  'pve-fw-icmp-type-spec',
  'pve-fw-protocol-spec',
  'pve-fw-sport-spec',
  'pve-groupid',
  'pve-groupid-list',
  'pve-hotplug-features',
  'pve-iface',
  'pve-priv-list',
  'pve-qm-cicustom',
  'pve-qm-smbios1',
  'pve-realm',
  'pve-sdn-subnet-id',
  'pve-startup-order',
  'pve-storage-content',
  'pve-vlan-id-or-range-list',
  'pve-vm-cpu-conf',
  'pve-vmid-list',
  'urlencoded',
])

suite('formats of Proxmox VE: what we would send lies inside what the server accepts', () => {
  test('every one of the 463 verdicts belongs to a type of ours or to a format that is never sent', () => {
    assert.equal(vectors.length, 463)
    const unknown = new Set(vectors.map((v) => v.format).filter((f) => ours[f] === undefined && !neverSent.has(f)))
    assert.deepEqual([...unknown], [])
    assert.deepEqual(
      Object.keys(ours).filter((f) => neverSent.has(f)),
      [],
    )
  })
  for (const [format, { type, accepts }] of Object.entries(ours)) {
    test(`denies what the server refuses as ${format}, and is no wall`, () => {
      const verdicts = vectors.filter((v) => v.format === format)
      assert.ok(verdicts.length > 0)
      const wrong = verdicts.filter((v) => !v.ok && type.safeParse(v.value).success)
      assert.deepEqual(wrong, [])
      for (const value of accepts) {
        assert.ok(
          verdicts.some((v) => v.value === value && v.ok),
          `${value} is no sample that the server accepts`,
        )
        assert.ok(type.safeParse(value).success, `${value} is refused`)
      }
    })
  }
  test('denies line breaks and control bytes in every type', () => {
    for (const { type, accepts } of Object.values(ours)) {
      for (const value of accepts) {
        for (const evil of [`${value}\n`, `\n${value}`, `${value}\0`, ` ${value}`, `${value} `])
          assert.ok(!type.safeParse(evil).success, evil)
      }
    }
  })
})
