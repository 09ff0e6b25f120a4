import { z } from 'zod'
import { unixSecondsSchema, vmIdSchema } from './values.ts'
import { vmSchema } from './vms.ts'

/** POST /v1/ssh-certificates: trades an approved request of the act `certificate:` for the certificate, once. */
export const newCertificateSchema = z.strictObject({
  requestId: z.string().regex(/^[0-9a-f]{32}$/),
  /** Of the CLI that asked; a browser that asked proves it with its cookie. */
  nonce: z
    .string()
    .regex(/^[0-9a-f]{32}$/)
    .optional(),
  /** One Ed25519 line, the key whose fingerprint the act names. */
  publicKey: z.string().max(400),
})

export const certificateSchema = z.strictObject({
  /** `ssh-ed25519-cert-v01@openssh.com AAAA…` */
  certificate: z.string(),
  /** The request that it was given for. */
  keyId: z.string(),
  principal: z.string(),
  validAfter: unixSecondsSchema,
  validBefore: unixSecondsSchema,
  vmId: vmIdSchema,
  /** Where the VM answers, and its host key. */
  ssh: vmSchema.shape.ssh.unwrap(),
})
export type CertificateView = z.output<typeof certificateSchema>
