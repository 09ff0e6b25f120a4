'use client'
import { useState, type ReactNode } from 'react'
import { useTexts } from '../i18n/text-context.tsx'
import { Button } from '../ui/Button.tsx'
import { ErrorBox } from '../ui/ErrorBox.tsx'
import { TextField } from '../ui/Field.tsx'
import { Modal } from '../ui/Modal.tsx'
import { WalletBox } from '../wallet/WalletBox.tsx'

/** Before something is destroyed: what is lost, and its name to be typed (X9). Escape and *Keep it* change nothing. */
export function TypedConfirm(props: {
  title: string
  /** What has to be typed. */
  name: string
  intro: string
  lost: readonly string[]
  children?: ReactNode
  /** Another way to confirm, below the buttons; told why it cannot be used yet. */
  elsewhere?(disabledReason: string | undefined): ReactNode
  confirm: string
  busy: string | undefined
  error: unknown
  /** Why it is not possible even with the name typed. */
  disabledReason: string | undefined
  onConfirm(): void
  onClose(): void
}) {
  const { t } = useTexts()
  const [typed, setTyped] = useState('')
  const matches = typed.trim() === props.name
  return (
    <Modal title={props.title} held={props.busy !== undefined} onClose={props.onClose}>
      <form
        noValidate
        className="space-y-5"
        onSubmit={(event) => {
          event.preventDefault()
          if (matches && props.disabledReason === undefined && props.busy === undefined) props.onConfirm()
        }}
      >
        <div className="space-y-2">
          <p className="font-medium">{props.intro}</p>
          <ul className="list-disc space-y-1 pl-5">
            {props.lost.map((line) => (
              <li key={line}>{line}</li>
            ))}
          </ul>
        </div>
        {props.children}
        <TextField
          label={t('confirm.type', { name: props.name })}
          autoComplete="off"
          autoCapitalize="off"
          spellCheck={false}
          className="font-mono text-sm"
          value={typed}
          onChange={(e) => setTyped(e.target.value)}
          error={typed !== '' && !matches && !props.name.startsWith(typed.trim()) ? t('confirm.typed') : undefined}
        />
        <WalletBox />
        {props.error !== undefined && <ErrorBox error={props.error} focus />}
        <div className="flex flex-wrap justify-end gap-3">
          <Button look="secondary" onClick={props.onClose}>
            {t('cancel.keep')}
          </Button>
          <Button
            look="danger"
            type="submit"
            busy={props.busy}
            disabledReason={matches ? props.disabledReason : t('confirm.reason')}
          >
            {props.confirm}
          </Button>
        </div>
        {props.elsewhere?.(matches ? undefined : t('confirm.reason'))}
      </form>
    </Modal>
  )
}
