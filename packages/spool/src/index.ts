export { type AdmissionOptions, createAdmission } from './admission.ts'
export { createContentRelease } from './content-release.ts'
export { type Decoded, decodeIntake, decodeTask, encodeTask, type Intake, taskOf } from './payload.ts'
export { type PublishedScript, publishedScripts } from './published.ts'
export { laneBackend } from './queue-backend.ts'
export { createScheduling, type Grant, type Present, type Repairs, type Scheduling, type Survey } from './scheduling.ts'
export { createRunner, type RunScript } from './script.ts'
export {
  createSessionClient,
  type HandedTask,
  type SessionClient,
  type SessionKey,
  type Settlement,
  type Turn,
  type TurnMode,
} from './sessions.ts'
export { createTidying, type Tidying } from './tidying.ts'
export { createTrace, type History, packTranscript, type Trace, type TracedTask } from './trace.ts'
export { type Accept, type AcceptMessage, type Destination, StoreError } from './types.ts'
export { createVerbs, type DestinationState, type Verbs } from './verbs.ts'
