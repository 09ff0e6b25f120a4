import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, suite, test } from 'node:test'
import { systemClock } from '../../clock/clock.ts'
import { AppError } from '../../errors/app-error.ts'
import { domainNameOf } from '../names.ts'
import { vmName } from './formats.ts'
import { templateNameOf } from './metadata.ts'
import { parseNetworks, proxmoxOptions, type ProxmoxAnswer } from './settings.ts'

const folder = mkdtempSync(join(tmpdir(), 'pve-settings-'))
after(() => rmSync(folder, { recursive: true }))
const tokenFile = join(folder, 'token')
writeFileSync(tokenFile, 'secret\n', { mode: 0o600 })

const answer: ProxmoxAnswer = {
  kind: 'proxmox',
  nodes: [{ url: 'https://192.0.2.11:8006', name: 'pve1', fingerprint: Array.from({ length: 32 }, () => 'AB').join(':') }],
  token: 'freehold@pve!appliance',
  tokenFile,
  pool: 'freehold',
  diskStorage: 'local-lvm',
  mediaStorage: 'freehold-media',
  bridge: 'vmbr0',
  vmids: { from: 10_000, to: 10_999 },
  guestNetworks: ['10.77.0.0/16'],
}
const host = { clock: systemClock, loginEndpoint: '10.77.0.1:7443' }

const denied: [string, Partial<ProxmoxAnswer>, string][] = [
  ['a network of guests without a prefix length', { guestNetworks: ['10.77.0.0'] }, '/hypervisor/guestNetworks/0'],
  ['a network of guests that is none', { guestNetworks: ['10.77.0.0/16', '300.1.2.3/24'] }, '/hypervisor/guestNetworks/1'],
  ['a network of guests with words behind it', { guestNetworks: ['10.77.0.0/16 -j ACCEPT'] }, '/hypervisor/guestNetworks/0'],
  ['a network that would be everything', { guestNetworks: ['0.0.0.0/0'] }, '/hypervisor/guestNetworks/0'],
  ['an address of this host by name', { guestsReachHostAt: 'freehold.example:7443' }, '/hypervisor/guestsReachHostAt'],
  ['an address of this host without a port', { guestsReachHostAt: '10.77.0.1' }, '/hypervisor/guestsReachHostAt'],
  ['a network in place of the address', { guestsReachHostAt: '10.77.0.0/16:7443' }, '/hypervisor/guestsReachHostAt'],
  ['a port that is none', { guestsReachHostAt: '10.77.0.1:70000' }, '/hypervisor/guestsReachHostAt'],
  ['a pool with a slash', { pool: 'a/b' }, '/hypervisor/pool'],
  ['a storage with a colon', { diskStorage: 'local:x' }, '/hypervisor/diskStorage'],
  ['a media storage with a blank', { mediaStorage: 'my media' }, '/hypervisor/mediaStorage'],
  ['a bridge with options behind it', { bridge: 'vmbr0,firewall=0' }, '/hypervisor/bridge'],
]

suite('Proxmox settings', () => {
  for (const [name, more, pointer] of denied) {
    test(`denies ${name}, and points at it`, async () => {
      await assert.rejects(proxmoxOptions({ ...answer, ...more }, host), (error) => {
        assert.ok(error instanceof AppError && error.code === 'bad-input', String(error))
        assert.deepEqual(
          error.fields?.map((field) => field.pointer),
          [pointer],
        )
        return true
      })
    })
  }

  test('denies networks of the operator in the form of the firewall, and points at the first that is none', () => {
    assert.throws(
      () => parseNetworks(['192.0.2.0/24', '192.0.2.1-192.0.2.9'], '/operatorNetworks'),
      (error) => error instanceof AppError && error.fields?.[0]?.pointer === '/operatorNetworks/1',
    )
    assert.deepEqual(parseNetworks(['192.0.2.0/24', '2001:db8::/32'], ''), ['192.0.2.0/24', '2001:db8::/32'])
  })

  test('takes what is right, and knows no firewall and no zone where nothing was kept beside the token', async () => {
    const options = await proxmoxOptions({ ...answer, guestsReachHostAt: '[2001:db8::1]:7443' }, host)
    assert.deepEqual(
      [options.loginEndpoint, options.guestNetworks, options.firewall, options.zone],
      ['[2001:db8::1]:7443', ['10.77.0.0/16'], false, undefined],
    )
  })

  test('every name that a VM or a template of ours can get is one of a VM', () => {
    for (const tokenId of [0n, 1n, 2n ** 64n, 2n ** 128n]) vmName.parse(domainNameOf({ installation: 'abcdef012345', tokenId }))
    vmName.parse(templateNameOf('f'.repeat(64)))
  })
})
