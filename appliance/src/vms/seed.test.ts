import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, test } from 'node:test'
import { markOf } from '../chain/installation.ts'
import { guestSecrets, reportToken, vmSecret } from './guest-secrets.ts'
import { buildSeed, type SeedHost, type SeedVm } from './seed.ts'

const key = { installation: '0123456789ab', tokenId: 42n, generation: 3 }
const master = new Uint8Array(32).fill(1)
const host: SeedHost = {
  endpoint: '10.0.2.2:7443',
  spkiSha256: 'c3BraQ==',
  statementKey: 'a2V5',
  userCa: 'ssh-ed25519 AAAA',
  chainId: 31337,
  contract: `0x${'C0'.repeat(20)}`,
  guestNet: null,
}
const vm: SeedVm = {
  key,
  mac: '52:54:01:02:03:04',
  addresses: { ipv4: null, ipv6: null, sshPort: 20_000 },
  token: reportToken(master, markOf(key)),
}

/** Golden files: one per part, so that a change of a byte that guests read is a visible change. */
const cases: Record<string, [SeedHost, SeedVm]> = {
  embedded: [host, vm],
  installed: [
    { ...host, endpoint: '10.77.0.1:7443', guestNet: { prefixLength: 16, gateway: '10.77.0.1', ipv6PrefixLength: 64 } },
    { ...vm, addresses: { ipv4: '10.77.0.11', ipv6: 'fd00::2a', sshPort: null } },
  ],
}

for (const [name, [h, v]] of Object.entries(cases)) {
  test(`the seed of ${name} mode, byte for byte`, async () => {
    const golden = await readFile(join(import.meta.dirname, 'seeds', `${name}.json`), 'utf8')
    assert.equal(`${JSON.stringify(buildSeed(h, v), null, 2)}\n`, golden)
  })
}

test('a guest of a host with brokers listens to routers, any other does not', () => {
  const net = { prefixLength: 16, gateway: '10.77.0.1', ipv6PrefixLength: 64 }
  const installed = { ...vm, addresses: { ipv4: '10.77.0.11', ipv6: null, sshPort: 20_001 } }
  const card = (announced: boolean) =>
    (
      JSON.parse(buildSeed({ ...host, guestNet: { ...net, announced } }, installed).networkConfig) as {
        ethernets: { eth0: object }
      }
    ).ethernets.eth0
  assert.equal('accept-ra' in card(true), true)
  assert.equal('accept-ra' in card(false), false)
})

test('guests need no YAML parser: all but user-data is JSON', () => {
  const seed = buildSeed(host, vm)
  assert.deepEqual(JSON.parse(seed.metaData), { 'instance-id': 'freehold:0123456789ab/42/3', 'local-hostname': 'vm-42' })
  assert.equal((JSON.parse(seed.freeholdJson) as { tokenId: string }).tokenId, '42')
  assert.equal(seed.userData, '#cloud-config\n{}\n')
})

describe('secrets of a guest', () => {
  test('are the HMACs of the protocol', () => {
    const mark = 'freehold:0123456789ab/42/3'
    const hex = (text: string): string => createHmac('sha256', master).update(text).digest('hex')
    assert.equal(vmSecret(master, mark), hex(`secret:${mark}`))
    assert.equal(reportToken(master, mark), `0123456789ab/42/3.${hex(`token:${mark}`)}`)
  })
  test('L1: are never those of another VM, generation, contract or host', () => {
    const all = [key, { ...key, generation: 4 }, { ...key, tokenId: 43n }, { ...key, installation: 'ba9876543210' }].flatMap(
      (k) => [master, new Uint8Array(32).fill(2)].map((m) => guestSecrets(m, k)),
    )
    assert.equal(new Set(all.flatMap((s) => [s.secret, s.token.split('.')[1]])).size, 16)
  })
  test('the secret never stands in the seed', () => {
    assert.ok(!JSON.stringify(buildSeed(host, vm)).includes(vmSecret(master, markOf(key))))
  })
})
