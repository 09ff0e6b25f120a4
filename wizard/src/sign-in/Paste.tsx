'use client'
import type { Approval, LoginRequestView } from '@freehold/appliance/api/schemas/sign-in'
import { signInText } from '@freehold/appliance/sign-in/sign-in-text'
import { useState } from 'react'
import { useHost } from '../api/host-context.tsx'
import { api } from '../api/resources.ts'
import { looksLikeAddress } from '../format/address.ts'
import { useTexts } from '../i18n/text-context.tsx'
import { Button } from '../ui/Button.tsx'
import { CopyField } from '../ui/Copy.tsx'
import { ErrorBox } from '../ui/ErrorBox.tsx'
import { TextArea, TextField } from '../ui/Field.tsx'
import { QrCode } from '../ui/QrCode.tsx'
import { useHere } from '../ui/use-here.ts'
import { usePress } from '../ui/use-press.ts'
import { useWallets } from '../wallet/wallet-context.tsx'
import { walletLinks } from '../wallet/wallet-links.ts'
import { factsOf } from '@freehold/appliance/api/schemas/sign-in-facts'
import { plainCode } from './plain-code.ts'
import { readSignature } from './signature.ts'

/** The wallet is elsewhere: the page as QR for the phone, or a signature made there (A8). Never a key (A10). */
export function Paste(props: { view: LoginRequestView; onApproved(approval: Approval): void; onFailed(error: unknown): void }) {
  const { view, onApproved, onFailed } = props
  const { t } = useTexts()
  const { lost } = useHost()
  const here = useHere()
  const { asked, found } = useWallets()
  // where no wallet is found, the box above shows the way to a phone already
  const shown = here !== undefined && asked && (found.length > 0 || walletLinks(here).length === 0)
  const [address, setAddress] = useState('')
  const [pasted, setPasted] = useState('')
  const [checked, setChecked] = useState(false)
  const { busy, error, press } = usePress(onFailed)
  const goodAddress = looksLikeAddress(address)
  const read = readSignature(pasted)
  const wrong = 'wrong' in read ? t(read.wrong === 'key' ? 'paste.signature.key' : 'paste.signature.wrong') : undefined

  function send() {
    if (!('signature' in read)) return
    press(async () => {
      onApproved(await api.approve(plainCode(view.code), address.trim(), read.signature))
    })
  }

  return (
    <details className="rounded-2xl border border-line bg-card p-5 sm:p-7">
      <summary className="min-h-8 cursor-pointer text-lg font-semibold">{t('paste.title')}</summary>
      <div className="mt-4 space-y-5">
        {shown && (
          <div>
            <p className="mb-2">{t('paste.qr')}</p>
            <QrCode text={here} label={t('wallet.qr')} />
          </div>
        )}
        <p>{t('paste.text')}</p>
        <form
          noValidate
          className="space-y-5"
          onSubmit={(event) => {
            event.preventDefault()
            setChecked(true)
            if (!goodAddress || wrong !== undefined) {
              event.currentTarget.querySelector<HTMLElement>(goodAddress ? 'textarea' : 'input')?.focus()
              return
            }
            send()
          }}
        >
          <TextField
            label={t('paste.address')}
            autoComplete="off"
            spellCheck={false}
            className="font-mono text-sm"
            value={address}
            onChange={(e) => setAddress(e.target.value)}
            error={(checked || address.length >= 42) && !goodAddress ? t('paste.address.wrong') : undefined}
          />
          {goodAddress ? (
            <CopyField label={t('paste.sign')} value={signInText(factsOf(view, address.trim().toLowerCase()))} wrap />
          ) : (
            <p className="text-soft">{t('signIn.text.needsAddress')}</p>
          )}
          <TextArea
            label={t('paste.signature')}
            hint={t('paste.signature.hint')}
            rows={4}
            autoComplete="off"
            spellCheck={false}
            className="font-mono text-sm"
            value={pasted}
            onChange={(e) => setPasted(e.target.value)}
            error={(checked || ('wrong' in read && read.wrong === 'key')) && pasted !== '' ? wrong : checked ? wrong : undefined}
          />
          {error !== undefined && <ErrorBox error={error} focus />}
          <Button
            type="submit"
            look="secondary"
            busy={busy ? t('signIn.sending') : undefined}
            disabledReason={lost ? t('link.lost.reason') : undefined}
          >
            {t('paste.submit')}
          </Button>
        </form>
      </div>
    </details>
  )
}
