import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'node:test'
import { testKey, testSpec } from '../contract-suite.ts'
import { domainXml, type GuestNetwork } from './domain-xml.ts'
import { metadataOf } from './metadata.ts'

const files = {
  disk: '/pool/vms/abcdef012345-7/g1/disk.qcow2',
  seed: '/pool/vms/abcdef012345-7/g1/seed.iso',
  consoleSocket: '/run/freehold-vm/01234567/c/a.console',
  agentSocket: '/run/freehold-vm/01234567/c/a.agent',
}
const spec = testSpec(testKey(7n), 'ab'.repeat(32), 20_007)

function xml(acceleration: 'kvm' | 'tcg', network: GuestNetwork): string {
  return domainXml({ spec, metadata: metadataOf(spec), acceleration, network, files })
}

suite('domain of a VM', () => {
  const golden: [string, 'kvm' | 'tcg', GuestNetwork][] = [
    ['slirp-tcg', 'tcg', { kind: 'slirp', sshPort: 20_007 }],
    ['passt-kvm', 'kvm', { kind: 'passt', sshPort: 20_007 }],
    ['tap-kvm', 'kvm', { kind: 'tap', device: 'fhv-7' }],
  ]
  for (const [name, acceleration, network] of golden) {
    test(`is golden/${name}.xml`, () => {
      const text = readFileSync(join(import.meta.dirname, 'golden', `${name}.xml`), 'utf8')
      assert.equal(xml(acceleration, network), text)
    })
  }

  test('denies the instruction that TCG corrupts, and bounds its cache', () => {
    const text = xml('tcg', { kind: 'slirp', sshPort: null })
    assert.match(text, /<feature policy="disable" name="cx16"\/>/)
    assert.match(text, /<tb-cache unit="MiB">128<\/tb-cache>/)
    assert.doesNotMatch(text, /hostfwd/)
  })

  test('P4 text of others is text in it', () => {
    const origin = { buyer: `</metadata><devices x='"`, boughtBlock: 1 }
    const evil = domainXml({
      spec,
      metadata: metadataOf({ ...spec, origin }),
      acceleration: 'tcg',
      network: { kind: 'slirp', sshPort: 1 },
      files,
    })
    assert.equal(evil.split('<devices').length, 2)
  })
})
