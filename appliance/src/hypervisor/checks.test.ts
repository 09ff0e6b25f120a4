import assert from 'node:assert/strict'
import { suite, test } from 'node:test'
import type { VmKey } from '../chain/installation.ts'
import { AppError } from '../errors/app-error.ts'
import { requireKey, requireNextGeneration, requireSha256, requireSnapshotName, requireSpec } from './checks.ts'
import { testKey, testSpec } from './contract-suite.ts'
import type { VmSpec } from './port.ts'

const refused = { code: 'bad-input' }
const evil = ['../x', 'a\nb', 'a\u0000b', '', ' ', 'a/b', '.', '..', "a'b", 'a<b>', '-a', 'ä', 'x'.repeat(200)]

suite('P4 names from outside', () => {
  test('refuses an installation that is more than 12 hex digits', () => {
    for (const installation of [...evil, 'ABCDEF012345', 'abcdef01234', 'abcdef012345\n']) {
      assert.throws(() => requireKey({ ...testKey(1n), installation }), refused, JSON.stringify(installation))
    }
  })

  test('refuses a token id or generation that no contract gives', () => {
    for (const tokenId of [-1n, 10n ** 78n, '../x' as unknown as bigint, 1 as unknown as bigint]) {
      assert.throws(() => requireKey({ ...testKey(1n), tokenId }), refused, String(tokenId))
    }
    for (const generation of [0, -1, 1.5, Number.NaN, 2 ** 40, '1/../..' as unknown as number]) {
      assert.throws(() => requireKey({ ...testKey(1n), generation }), refused, String(generation))
    }
  })

  test('refuses names of snapshots and templates that are more than a word', () => {
    for (const name of [...evil, 'A']) assert.throws(() => requireSnapshotName(name), refused, JSON.stringify(name))
    for (const name of [...evil, 'AB'.repeat(32)]) assert.throws(() => requireSha256(name), refused, JSON.stringify(name))
  })

  test('refuses every field of a spec that could be misread, and names it', () => {
    const good = testSpec(testKey(1n), 'ab'.repeat(32), 20_000)
    requireSpec(good)
    const wrong: [string, Partial<VmSpec>][] = [
      ['/sha256', { template: '../../etc/passwd' }],
      ['/vcpus', { vcpus: 0 }],
      ['/memoryMiB', { memoryMiB: 0.5 }],
      ['/diskGiB', { diskGiB: Number.NaN }],
      ['/mac', { mac: '52:54:00:00:00:01,netdev=x' }],
      ['/addresses/ipv4', { addresses: { ...good.addresses, ipv4: '1.2.3.4,x' } }],
      ['/addresses/ipv6', { addresses: { ...good.addresses, ipv6: 'fd::1\n' } }],
      ['/addresses/sshPort', { addresses: { ...good.addresses, sshPort: 70_000 } }],
      ['/origin/buyer', { origin: { ...good.origin, buyer: '0x' } }],
      ['/origin/boughtBlock', { origin: { ...good.origin, boughtBlock: -1 } }],
    ]
    for (const [pointer, change] of wrong) {
      const names = (error: unknown) =>
        error instanceof AppError && error.code === 'bad-input' && error.fields[0]?.pointer === pointer
      assert.throws(() => requireSpec({ ...good, ...change }), names, pointer)
    }
  })

  test('refuses a reinstall that goes back, stays, or leads to another VM', () => {
    const from: VmKey = testKey(1n, 2)
    for (const to of [testKey(1n, 1), testKey(1n, 2), testKey(2n, 3), { ...testKey(1n, 3), installation: '000000000000' }]) {
      assert.throws(() => requireNextGeneration(from, to), refused)
    }
    requireNextGeneration(from, testKey(1n, 3))
  })
})
