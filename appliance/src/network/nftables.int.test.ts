import assert from 'node:assert/strict'
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { checkTaps } from '../host/plan.ts'
import { verbs } from '../host/verbs.ts'
import { run } from '../hypervisor/libvirt/run.ts'
import { linkLocalOf, tapNameOf } from './guest-addresses.ts'
import { nftables, noNftables, type Firewall } from './nftables.ts'

const golden = join(import.meta.dirname, 'golden')
const read = (file: string): string => readFileSync(join(golden, file), 'utf8')
/** nft looks into the kernel even to check, so it gets a namespace of its own. */
const nft = (text: string, ...args: string[]) => run('unshare', ['--net', 'nft', ...args, '-f', '-'], { input: text })

// before what fits: what must be refused, each with its reason
for (const file of globSync('fail/*.json', { cwd: golden }).sort()) {
  test(`denies ${file}`, () => {
    const { argument, error } = JSON.parse(read(file)) as { argument: unknown; error: string }
    const parsed = verbs.setTaps.safeParse(argument)
    const refused = (): void => {
      if (!parsed.success) throw new Error(parsed.error.issues.map((issue) => `/${issue.path.join('/')}`).join(' '))
      checkTaps(parsed.data)
    }
    assert.throws(refused, (thrown: Error) => thrown.message.includes(error))
  })
}

test('denies a text that is cut short: nft checks it as a whole', async () => {
  const text = read('two-guests.nft')
  assert.notEqual((await nft(text.slice(0, -20), '-c')).code, 0)
  assert.notEqual((await nft(text.replace('ether saddr', 'ether sadr'), '-c')).code, 0)
})

for (const file of globSync('*.json', { cwd: golden }).sort()) {
  test(`${file} becomes these rules, and nft takes them`, async () => {
    const text = nftables(JSON.parse(read(file)) as Firewall)
    assert.equal(text, read(file.replace('.json', '.nft')))
    const checked = await nft(text, '-c')
    assert.equal(checked.code, 0, checked.stderr)
    // twice and taken away: the transaction holds whatever was there before
    const loaded = await nft(`${text}${text}${noNftables}${noNftables}`)
    assert.equal(loaded.code, 0, loaded.stderr)
  })
}

test('names and link-local addresses follow from the VM alone', () => {
  assert.match(tapNameOf({ installation: '0123456789ab', tokenId: 42n }), /^fhv-[0-9a-f]{11}$/)
  assert.equal(
    tapNameOf({ installation: '0123456789ab', tokenId: '42' }),
    tapNameOf({ installation: '0123456789ab', tokenId: 42n }),
  )
  assert.equal(linkLocalOf('52:54:00:00:00:01'), 'fe80::5054:ff:fe00:1')
})
