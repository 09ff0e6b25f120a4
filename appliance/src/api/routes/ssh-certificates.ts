import { parseHostKey } from '../../sign-in/host-key.ts'
import { AppError } from '../../errors/app-error.ts'
import type { ApiServer } from '../app.ts'
import { askedBy } from '../asker.ts'
import type { ApiPorts } from '../ports.ts'
import { certificateSchema, newCertificateSchema } from '../schemas/ssh-certificates.ts'
import { sshOf } from '../views/vm-view.ts'

/** POST /v1/ssh-certificates: an OpenSSH user certificate for the key that the signed act names (PROTOCOL.md). */
export function registerSshCertificates(app: ApiServer, ports: ApiPorts): void {
  app.post(
    '/v1/ssh-certificates',
    {
      // the signature is the right: no session is needed, nor enough
      config: { access: 'public', acts: 'key', rate: { limit: 60, windowSeconds: 300 } },
      schema: { body: newCertificateSchema, response: { 201: certificateSchema } },
    },
    async (request, reply) => {
      const { requestId, nonce, publicKey } = request.body
      const key = parseHostKey(publicKey)
      if (key === undefined) {
        throw new AppError({
          code: 'bad-input',
          detail: 'No certificate can be made for this key.',
          hint: 'Make one with ssh-keygen -t ed25519.',
          fields: [{ pointer: '/publicKey', detail: 'needs to be one ssh-ed25519 line' }],
        })
      }
      const mine = askedBy(request, nonce)
      const { request: asked, signer } = await ports.signIn.consume(
        requestId,
        (r) => r.act === `certificate:${key.fingerprint}` && mine(r),
      )
      const vm = asked.vm
      const ssh = vm === null ? null : sshOf(ports.facts().vms.get(vm.vmId), ports.host)
      if (vm === null || ssh === null || ssh.hostKeyFingerprint !== asked.hostKey) {
        throw new AppError({ code: 'request-used', detail: 'The VM was made anew since this sign-in began.' })
      }
      // a guest may ask about it in the same moment
      await ports.signIn.outcomesKept()
      const made = await ports.certify({ key, vm, keyId: asked.requestId })
      await ports.store.audit.append({
        who: signer,
        what: 'ssh-certificate',
        target: vm.vmId,
        result: `key ${asked.requestId}`,
        transactionHash: null,
      })
      return reply.code(201).send({ ...made, vmId: vm.vmId, ssh })
    },
  )
}
