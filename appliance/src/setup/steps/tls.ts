import { announceSeconds, provenByBroker } from '../tls/certificates.ts'
import type { Step } from '../../steps/step.ts'
import type { SetupContext } from '../context.ts'
import { noteBefore, noteOf } from '../undo-notes.ts'

/**
 * The public address gets its certificate. The next one's fingerprint is told first, on page and screen; until the switch, and if
 * none is given, the present one is shown (W14). Skipped, the host opens with the certificate
 * of its first boot and asks again by itself every hour. Embedded mode has no certificate: its one origin is this machine's loopback.
 * Throws `certificate-refused`.
 */
export const tlsStep: Step<SetupContext> = {
  name: 'tls',
  estimateSeconds: 20,
  check: async ({ answers, certificates }) => certificates === undefined || (await certificates.isCurrent(answers)),
  skippable: true,
  async run({ answers, certificates, journal }, io) {
    if (certificates === undefined) return
    if (provenByBroker(answers)) {
      io.log('The authority is asked once a broker serves the name of this host; until then the present certificate is shown.')
      return
    }
    io.progress(answers.tls.kind === 'acme' ? 'asking the authority' : 'making it')
    const next = await certificates.prepare(answers, io.signal)
    io.log(`The certificate changes in ${announceSeconds} s. SHA-256 of the next one: ${next.fingerprint}`)
    io.progress('announced: compare the fingerprint after the change')
    await certificates.announced(io.signal)
    io.signal.throwIfAborted()
    await noteBefore(journal, 'certificate', await certificates.hasOwn())
    await certificates.switchTo(answers)
    io.log(`in use: ${next.names.join(', ')}, until ${new Date(next.until * 1000).toISOString().slice(0, 10)}`)
  },
  /** The certificate of the first boot is shown again. Where another was there before, the new one stays: the old one is gone. */
  async undo({ answers, certificates, journal }, io) {
    if (certificates === undefined || (await noteOf(journal, 'certificate')) !== false) return
    await certificates.giveUp(answers)
    io.log('the certificate of the first boot is shown again')
  },
}
