'use client'
import { useEffect, useRef, useState, type FormEvent } from 'react'
import { useTexts } from '../i18n/text-context.tsx'
import { Button } from '../ui/Button.tsx'
import { Card, CardTitle } from '../ui/Card.tsx'
import { Choice, TextField } from '../ui/Field.tsx'
import { Notice } from '../ui/Notice.tsx'
import { usePress } from '../ui/use-press.ts'
import { FormError, problemsOf } from './FormError.tsx'
import { setupApi } from './resources.ts'

/** What somebody came for: page one asks it beside the code (W5). */
export type Purpose = 'new' | 'back'

interface CodeFormProps {
  left: number
  /** Page one; else the code is asked again in the middle. */
  first?: boolean
  onEntered(purpose: Purpose): void
}

const handOver = /^[0-9A-Za-z_-]{43}$/

/** The code of the machine's screen. It may come in the address's fragment, from the QR, and is taken off it at once (W17, W4). */
export function CodeForm({ left, first = false, onEntered }: CodeFormProps) {
  const { t } = useTexts()
  const [code, setCode] = useState('')
  const [wrong, setWrong] = useState<string>()
  const [purpose, setPurpose] = useState<Purpose>('new')
  const { busy, error, press } = usePress()

  function enter(text: string) {
    setWrong(undefined)
    press(async () => {
      const result = await setupApi.enter(text)
      if (result.entered) return onEntered(purpose)
      setWrong(result.renewed ? t('setup.code.renewed') : t('setup.code.wrong', { count: result.left }))
    })
  }

  const enterNow = useRef(enter)
  useEffect(() => {
    enterNow.current = enter
  })
  useEffect(() => {
    const fragment = location.hash.slice(1)
    const isCode = /^[0-9A-Za-z]{6}$/.test(fragment)
    if (!isCode && !handOver.test(fragment)) return
    history.replaceState(null, '', location.pathname + location.search)
    // whoever tried a new network comes over with a word for once
    if (isCode) setCode(fragment)
    else enterNow.current(fragment)
  }, [])

  function submit(event: FormEvent) {
    event.preventDefault()
    if (!busy) enter(code)
  }

  return (
    <Card className="max-w-2xl">
      <CardTitle>{t('setup.code.title')}</CardTitle>
      <form onSubmit={submit} className="mt-4 space-y-4">
        {first && (
          <Choice<Purpose>
            legend={t('setup.purpose')}
            name="purpose"
            value={purpose}
            onChange={setPurpose}
            options={(['new', 'back'] as const).map((value) => ({
              value,
              label: t(`setup.purpose.${value}`),
              detail: t(`setup.purpose.${value}.text`),
            }))}
          />
        )}
        <TextField
          label={t('setup.code.label')}
          hint={t('setup.code.hint', { count: left })}
          error={wrong ?? problemsOf(error)[0]?.detail}
          data-pointer="/code"
          value={code}
          onChange={(e) => setCode(e.target.value)}
          autoComplete="one-time-code"
          autoCapitalize="characters"
          spellCheck={false}
          maxLength={20}
          className="font-mono text-xl tracking-widest uppercase"
        />
        {error !== undefined && <FormError error={error} />}
        <Button type="submit" busy={busy ? t('setup.code.checking') : undefined}>
          {t('setup.code.enter')}
        </Button>
      </form>
      {first && (
        <details className="mt-5 border-t border-line pt-1">
          <summary className="min-h-11 cursor-pointer py-2.5 font-medium">{t('setup.help')}</summary>
          <ul className="max-w-prose list-disc space-y-2 pb-2 pl-5 text-pretty">
            <li>{t('setup.help.screen')}</li>
            <li>{t('setup.help.remote')}</li>
            <li>{t('setup.help.renew')}</li>
            <li>{t('setup.help.file')}</li>
          </ul>
        </details>
      )}
      <div className="mt-6">
        <Notice title={t('setup.fingerprint.title')}>
          <p>{t('setup.fingerprint.text')}</p>
          <ul className="list-disc pl-5">
            <li>{t('setup.fingerprint.chromium')}</li>
            <li>{t('setup.fingerprint.firefox')}</li>
            <li>{t('setup.fingerprint.safari')}</li>
          </ul>
        </Notice>
      </div>
    </Card>
  )
}
