import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { createPublicKey, sign, verify } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite, type TestContext } from 'node:test'
import { promisify } from 'node:util'
import { markOf } from '../chain/installation.ts'
import { reliability } from '../dev/reliability.ts'
import { issueCertificate } from '../sign-in/certificates/issue.ts'
import { createGuestEndpoint } from '../sign-in/guest-endpoint.ts'
import { parseHostKey } from '../sign-in/host-key.ts'
import { loadOrCreateSecrets, type Secrets } from '../sign-in/secrets.ts'
import { createSignIn } from '../sign-in/sign-in.ts'
import { TestGuest } from '../sign-in/test-guest.ts'
import { signInStand, testInstallation } from '../sign-in/test-stand.ts'
import { bob } from './test-chain.ts'
import { Stand } from './test-stand.ts'
import { vmSecret } from './guest-secrets.ts'

const run = promisify(execFile)
const vm42 = { installation: testInstallation, tokenId: 42n, generation: 1 }

/** Secrets of a host, and what they are after `file` was lost and the daemon started again. */
async function afterLossOf(t: TestContext, file: string): Promise<{ folder: string; before: Secrets; after: Secrets }> {
  const folder = await mkdtemp(join(tmpdir(), 'freehold-keys-'))
  t.after(() => rm(folder, { recursive: true }))
  const before = await loadOrCreateSecrets(folder)
  await rm(join(folder, file))
  const after = await loadOrCreateSecrets(folder)
  assert.deepEqual(after.master, before.master, 'the other secrets stay')
  return { folder, before, after }
}

const seedOf = (secrets: Secrets) => ({
  spkiSha256: secrets.spkiSha256,
  statementKey: secrets.statementKeyRaw,
  userCa: secrets.userCa,
  guestNet: null,
})

/** No VM is touched because of the new key; what is made from now on is born with it. */
async function assertOnlyNewOnesKnowIt(t: TestContext, before: Secrets, after: Secrets, fresh: string): Promise<void> {
  const stand = await Stand.open()
  t.after(() => stand.store.close())
  await stand.restart({ seed: seedOf(before), masterSecret: before.master })
  stand.chain.buy()
  await stand.settle()
  const calls = stand.hypervisor.calls.length
  await stand.restart({ seed: seedOf(after), masterSecret: after.master })
  await stand.settle()
  assert.deepEqual(stand.hypervisor.calls.slice(calls), [])
  stand.chain.buy(bob)
  await stand.settle()
  const seeds = [1n, 2n].map((id) => stand.hypervisor.seeds.get(markOf(stand.vm(id)?.key ?? vm42))?.freeholdJson ?? '')
  assert.deepEqual(
    seeds.map((seed) => seed.includes(fresh)),
    [false, true],
  )
}

suite('keys of the host that are lost', () => {
  reliability(
    'rebuild-statement-key-lost',
    'the statement key is lost: guests refuse what the new one signs, no VM is touched',
    async (fault, t) => {
      const { before, after } = await afterLossOf(t, 'statement-key.pem')
      fault.struck(after.statementKeyRaw !== before.statementKeyRaw)
      assert.deepEqual([after.spkiSha256, after.userCa], [before.spkiSha256, before.userCa])
      const pinned = createPublicKey({
        key: { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(before.statementKeyRaw, 'base64').toString('base64url') },
        format: 'jwk',
      })
      const text = Buffer.from('freehold-ownership-statement-v1')
      assert.deepEqual(
        [after, before].map(({ statementKey }) => verify(null, text, pinned, sign(null, text, statementKey))),
        [false, true],
      )
      await assertOnlyNewOnesKnowIt(t, before, after, after.statementKeyRaw)
    },
  )

  reliability(
    'rebuild-login-key-lost',
    'the key of the login endpoint is lost: guests break off before they send anything, no VM is touched',
    async (fault, t) => {
      const { before, after } = await afterLossOf(t, 'login-endpoint.pem')
      fault.struck(after.spkiSha256 !== before.spkiSha256)
      assert.deepEqual([after.statementKeyRaw, after.userCa], [before.statementKeyRaw, before.userCa])
      const base = await signInStand('embedded')
      const signIn = createSignIn(base.ports)
      const endpoint = createGuestEndpoint({
        ...base.ports,
        signIn,
        master: after.master,
        login: after.login,
        onReport: () => Promise.resolve(),
      })
      await base.putVm()
      const port = await endpoint.listen('127.0.0.1:0')
      const guests = [before, after].map(({ spkiSha256 }) => {
        const guest = new TestGuest(port, spkiSha256)
        guest.bearer = `${markOf(vm42).slice('freehold:'.length)}.${vmSecret(after.master, markOf(vm42))}`
        return guest
      })
      t.after(async () => {
        for (const guest of guests) guest.close()
        await endpoint.close()
        await base.store.close()
      })
      const [born, reinstalled] = guests
      assert.ok(born !== undefined && reinstalled !== undefined)
      await assert.rejects(born.call('GET', '/guest/v1/presence'), /another key/)
      assert.equal((await reinstalled.call('GET', '/guest/v1/presence')).status, 200)
      await assertOnlyNewOnesKnowIt(t, before, after, after.spkiSha256)
    },
  )

  reliability(
    'rebuild-user-ca-lost',
    'the CA of SSH certificates is lost: guests know only the former one, no VM is touched',
    async (fault, t) => {
      const { folder, before, after } = await afterLossOf(t, 'user-ca')
      fault.struck(after.userCa !== before.userCa)
      assert.deepEqual([after.statementKeyRaw, after.spkiSha256], [before.statementKeyRaw, before.spkiSha256])
      const ask = join(folder, 'asker')
      await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', ask], { timeout: 20_000 })
      const key = parseHostKey((await run('ssh-keygen', ['-y', '-f', ask], { timeout: 20_000 })).stdout.trim())
      assert.ok(key !== undefined)
      const made = await issueCertificate({ userCaPath: after.userCaPath, key, vm: vm42, keyId: 'ab'.repeat(16) })
      await writeFile(join(folder, 'cert.pub'), `${made.certificate}\n`)
      const shown = (await run('ssh-keygen', ['-L', '-f', join(folder, 'cert.pub')], { timeout: 20_000 })).stdout
      const fingerprint = async (line: string): Promise<string> => {
        await writeFile(join(folder, 'ca.pub'), `${line}\n`)
        const { stdout } = await run('ssh-keygen', ['-l', '-f', join(folder, 'ca.pub')], { timeout: 20_000 })
        return stdout.split(' ')[1] ?? ''
      }
      const signedBy = /Signing CA: ED25519 (\S+)/.exec(shown)?.[1]
      assert.equal(signedBy, await fingerprint(after.userCa))
      assert.notEqual(signedBy, await fingerprint(before.userCa), 'sshd in a guest trusts this one alone')
      await assertOnlyNewOnesKnowIt(t, before, after, after.userCa)
    },
  )
})
