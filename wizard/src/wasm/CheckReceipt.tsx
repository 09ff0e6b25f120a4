'use client'
import { standsInLog, verifyReceipt, type Receipt } from '@freehold/wasm-client/receipt'
import { useState } from 'react'
import { useHost, useNow } from '../api/host-context.tsx'
import { useTexts } from '../i18n/text-context.tsx'
import { Button } from '../ui/Button.tsx'
import { Card, CardTitle } from '../ui/Card.tsx'
import { ErrorBox } from '../ui/ErrorBox.tsx'
import { Facts } from '../ui/Facts.tsx'
import { TextArea } from '../ui/Field.tsx'
import { Notice } from '../ui/Notice.tsx'
import { usePress } from '../ui/use-press.ts'
import { wasmApi } from './wasm-api.ts'

/** How a receipt stood up to the check. */
type Verdict = { kind: 'bad' } | { kind: 'unlogged'; receipt: Receipt } | { kind: 'good'; receipt: Receipt; size: number }

/** Asks the host for key and proof, and checks both signatures and the proof here: its own word is not taken. */
async function check(jws: string): Promise<Verdict> {
  const { hostKey, proof, head } = await wasmApi.check(jws)
  const receipt = await verifyReceipt(jws, hostKey).catch(() => undefined)
  if (receipt === undefined) return { kind: 'bad' }
  if (proof === null || head === null) return { kind: 'unlogged', receipt }
  return (await standsInLog(jws, { proof, head }, hostKey))
    ? { kind: 'good', receipt, size: proof.size }
    : { kind: 'unlogged', receipt }
}

/** A receipt is pasted and checked; no sign-in is needed. */
export function CheckReceipt() {
  const { t, when, locale } = useTexts()
  const now = useNow()
  const { lost } = useHost()
  const [text, setText] = useState('')
  const [wrong, setWrong] = useState(false)
  const { busy, error, press } = usePress()
  const [verdict, setVerdict] = useState<Verdict>()
  function go(jws: string) {
    setVerdict(undefined)
    press(async () => {
      setVerdict(await check(jws))
    })
  }
  return (
    <Card className="space-y-5">
      <CardTitle>{t('wasm.check')}</CardTitle>
      <form
        noValidate
        className="space-y-4"
        onSubmit={(event) => {
          event.preventDefault()
          const jws = text.trim()
          const readable = /^[\w-]+\.[\w-]+\.[\w-]+$/.test(jws) && jws.length <= 20_000
          setWrong(!readable)
          if (readable && !busy && !lost) go(jws)
        }}
      >
        <TextArea
          label={t('wasm.check.label')}
          hint={t('wasm.check.hint')}
          error={wrong ? t('wasm.check.wrong') : undefined}
          value={text}
          rows={4}
          spellCheck={false}
          autoComplete="off"
          className="font-mono text-sm"
          onChange={(event) => setText(event.target.value)}
        />
        <Button
          type="submit"
          look="secondary"
          busy={busy ? t('wasm.check.busy') : undefined}
          disabledReason={lost ? t('link.lost.reason') : undefined}
        >
          {t('wasm.check.submit')}
        </Button>
      </form>
      {error !== undefined && <ErrorBox error={error} focus />}
      {verdict !== undefined && (
        <Notice tone={verdict.kind === 'good' ? 'good' : 'bad'} title={t(`wasm.check.${verdict.kind}`)} live>
          <p>{t(`wasm.check.${verdict.kind}.text`)}</p>
        </Notice>
      )}
      {verdict !== undefined && verdict.kind !== 'bad' && (
        <Facts
          facts={[
            { label: t('wasm.check.status'), value: verdict.receipt.status },
            { label: t('wasm.check.gas'), value: new Intl.NumberFormat(locale).format(BigInt(verdict.receipt.gas_used)) },
            { label: t('wasm.check.ended'), value: when(Math.floor(verdict.receipt.ended_at / 1000), now) },
            ...(verdict.kind === 'good'
              ? [
                  {
                    label: t('wasm.check.place'),
                    value: t('wasm.check.place.of', { index: verdict.receipt.index, size: verdict.size }),
                  },
                ]
              : []),
            {
              label: t('wasm.check.program'),
              value: <code className="font-mono text-sm break-all">{verdict.receipt.program}</code>,
            },
          ]}
        />
      )}
    </Card>
  )
}
