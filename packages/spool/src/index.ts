export { type AdmissionOptions, createAdmission } from './admission.ts'
export {
  AUDIT_VERBS,
  type Audit,
  type AuditEntry,
  type AuditNote,
  type AuditVerb,
  createAudit,
  createAuditFollower,
  type FollowAudit,
} from './audit.ts'
export { createContentRelease } from './content-release.ts'
export {
  createFigures,
  type DestinationFigures,
  type Figures,
  type FirstDue,
  type LaneFigures,
  type SiteFigures,
} from './figures.ts'
export { type Decoded, decodeIntake, decodeTask, encodeTask, type Intake, readMark, taskOf } from './payload.ts'
export { type PublishedScript, publishedScripts } from './published.ts'
export { laneBackend } from './queue-backend.ts'
export type { DestinationState } from './queue-states.ts'
export { createReroute, type Reroute } from './reroute.ts'
export { createScheduling, type Grant, type Present, type Repairs, type Scheduling, type Survey } from './scheduling.ts'
export { createRunner, type RunScript } from './script.ts'
export { createSelection, type Query, type Selected, type Selection } from './select.ts'
export {
  createSessionClient,
  type HandedTask,
  nudgeChannel,
  type SessionClient,
  type SessionKey,
  type Settlement,
  type Turn,
  type TurnMode,
} from './sessions.ts'
export { createSessionsWanted, type SessionsWanted } from './sessions-wanted.ts'
export { createShape, SHAPE_AGES_MS, SHAPE_KEYS, type Shape, type ShapeKey, type ShapeRow } from './shape.ts'
export { TASK_STATES, type TaskState } from './tasks.ts'
export { createTidying, type Tidying } from './tidying.ts'
export { createTrace, type History, type Trace, type TracedTask } from './trace.ts'
export { packTranscript } from './transcript.ts'
export { type Accept, type AcceptMessage, type Destination, StoreError } from './types.ts'
export { createVerbs, type Marked, type Verbs } from './verbs.ts'
export { type AskWhy, createWhy, isMetered, type Standing } from './why.ts'
