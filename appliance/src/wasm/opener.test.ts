import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { after, suite, test } from 'node:test'
import { sealRequest } from '@freehold/wasm-client/seal'
import { systemClock } from '../clock/clock.ts'
import { KeyRing } from './keys/key-ring.ts'
import { Opener, type OpenJob } from './opener.ts'
import { commit } from './protocol/commitment.ts'
import { requestAad } from './protocol/request-binding.ts'

const keys = new KeyRing({ clock: systemClock, rotationSeconds: 3600, overlapSeconds: 600 })
const others = new KeyRing({ clock: systemClock, rotationSeconds: 3600, overlapSeconds: 600 })
const opener = new Opener({ threads: 2, scheme: 'hiding' })
after(() => opener.close())

async function jobOf(wasm: Uint8Array): Promise<Omit<OpenJob, 'id'>> {
  const [key] = keys.offered()
  assert.ok(key !== undefined)
  const { body } = await sealRequest(key, wasm, { function_name: 'main', arguments: [], timeout_seconds: 1 })
  const aad = requestAad(body).toString()
  return { recipients: keys.live(), enc: body.public_key, sealed: body.encrypted_wasm, aad }
}

suite('requests are opened in threads of their own', () => {
  test('what was altered, sealed for another key, or is no canonical base64 does not open, and no word says why', async () => {
    const job = await jobOf(Buffer.from('program'))
    for (const wrong of [
      { ...job, aad: `${job.aad} ` },
      { ...job, recipients: others.live() },
      { ...job, recipients: [] },
      { ...job, enc: `${job.enc} ` },
      { ...job, sealed: job.sealed.slice(0, 20) },
      { ...job, enc: Buffer.alloc(65, 4).toString('base64') },
    ]) {
      assert.equal(await opener.open(wrong), null)
    }
  })

  test('many at once, each gets its own; the second of two keys opens too', async () => {
    const programs = Array.from({ length: 60 }, (_, n) => Buffer.alloc(n * 100, n))
    const jobs = await Promise.all(programs.map(jobOf))
    const opened = await Promise.all(
      jobs.map((job) => opener.open({ ...job, recipients: [...others.live(), ...job.recipients] })),
    )
    for (const [n, one] of opened.entries()) {
      const program = programs[n] ?? Buffer.alloc(0)
      assert.ok(one !== null)
      assert.ok(program.equals(one.wasm))
      assert.equal(one.kid, keys.offered()[0]?.kid)
      assert.equal(one.sha256, createHash('sha256').update(program).digest('hex'))
      assert.equal(one.program, commit('hiding', 'program', program, Buffer.from(one.salt, 'hex')))
    }
    assert.equal(new Set(opened.map((one) => one?.salt)).size, programs.length, 'no salt is used twice')
  })

  test('a closed one refuses', async () => {
    const closed = new Opener({ threads: 1, scheme: 'hiding' })
    await closed.close()
    await assert.rejects(closed.open(await jobOf(Buffer.from('program'))), /closing/)
  })
})
