import assert from 'node:assert/strict'
import { request } from 'node:https'
import { after, before, suite, test } from 'node:test'
import type { PeerCertificate, TLSSocket } from 'node:tls'
import getPort from 'get-port'
import { fingerprintOnScreen, onceItAnswers, openStand, type Stand } from './stand.ts'

// Machines whose clock is years off, as one without a battery, get to the wizard with a certificate that is good by their own clock;
// what is more than five years ahead is refused (refusals.vm.test.ts). With --all only.
if (process.env['FREEHOLD_ALL'] === '1') {
  const year = 365.25 * 86_400_000
  const base = (years: number): string => new Date(Date.now() + years * year).toISOString().slice(0, 19)

  suite('a clock that is years off', () => {
    let stand: Stand
    before(async () => {
      stand = await openStand()
    })
    after(() => stand?.close())

    for (const years of [-5, -1, 1, 4]) {
      test(`${years} years: installs, and shows a certificate that is good by that clock`, async () => {
        const disk = stand.disk(`CLOCK${years}`, 12)
        await stand.install(disk, { clock: base(years) })
        const httpsPort = await getPort({ host: '127.0.0.1' })
        const machine = await stand.start({ disks: [disk], clock: base(years), httpsPort })
        const shown = await fingerprintOnScreen(machine, 1800)
        const { certificate, there } = await onceItAnswers(600, () => answerAt(httpsPort))
        assert.equal(certificate.fingerprint256, shown)
        // what is before the medium was built is set to that by systemd; what is after stays
        if (years > 0) assert.ok(Math.abs(there - (Date.now() + years * year)) < 0.1 * year, new Date(there).toISOString())
        const [from, until] = [Date.parse(certificate.valid_from), Date.parse(certificate.valid_to)]
        assert.ok(
          from <= there && there <= until,
          `${certificate.valid_from} to ${certificate.valid_to}, clock ${new Date(there).toISOString()}`,
        )
        // nothing of the first boot is dated before the medium, and no certificate is longer than browsers take
        assert.ok(until - from <= 825 * 86_400_000)
        await machine.cut()
      })
    }
  })

  /** The certificate that the machine shows, and what it says the time is. */
  function answerAt(port: number): Promise<{ certificate: PeerCertificate; there: number }> {
    return new Promise((done, failed) => {
      const asked = request(
        { host: '127.0.0.1', port, servername: 'localhost', path: '/setup', rejectUnauthorized: false, timeout: 60_000 },
        (answer) => {
          answer.resume()
          done({
            certificate: (answer.socket as TLSSocket).getPeerCertificate(),
            there: Date.parse(answer.headers.date ?? ''),
          })
        },
      )
      asked.on('timeout', () => asked.destroy(new Error(`port ${port}: no answer`)))
      asked.on('error', failed)
      asked.end()
    })
  }
}
