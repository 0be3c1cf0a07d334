"""A tracker that keeps what the policies look back at, instead of being replayed by each of them for every prediction.

Rasa works a conversation's states out anew for every policy and prediction, from a second tracker that all events are applied
to once more. Here the state before each action is kept when the action comes, as the live tracker has it at that moment.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import replace
from itertools import islice
from typing import Any, NamedTuple

from rasa.shared.core.constants import ACTIVE_LOOP, PREVIOUS_ACTION, SLOTS, USER
from rasa.shared.core.domain import Domain, State, SubState
from rasa.shared.core.events import (
    ActionExecuted,
    AllSlotsReset,
    BotUttered,
    DefinePrevUserUtteredFeaturization,
    Event,
    FollowupAction,
    SessionStarted,
    SlotSet,
    UserUttered,
)
from rasa.shared.core.slots import Slot
from rasa.shared.core.trackers import DialogueStateTracker
from rasa.shared.nlu.constants import ENTITIES, INTENT, TEXT

# None of them changes what happened before it. Loops do (their earlier runs are left out), and so does what takes back.
_PLAIN = {
    ActionExecuted, AllSlotsReset, BotUttered, DefinePrevUserUtteredFeaturization, FollowupAction, SessionStarted, SlotSet,
    UserUttered,
}  # fmt: skip
_SET_NO_SLOT = {ActionExecuted, BotUttered, DefinePrevUserUtteredFeaturization, UserUttered}
_END_FOLLOWUP = {ActionExecuted, SessionStarted, UserUttered}


class Moment(NamedTuple):
    """A conversation before one of its actions. ``hidden``: that action, decided by a rule, is kept from the stories."""

    state: State
    previous: SubState
    keeps_turn: bool
    """A follow-up action or a loop's own: it does not change whether this turn is hidden."""
    hidden: bool
    key: Hashable
    """Equal for moments that differ in the customer's words alone."""


class HistoryTracker(DialogueStateTracker):
    """A tracker of ``domain`` that knows its states. ``moments``: one per action; None where only a replay can tell."""

    def __init__(self, sender_id: str, domain: Domain) -> None:
        super().__init__(sender_id, ())
        self.slots.update((slot.name, _duplicate(slot)) for slot in domain.slots)
        self._reset_slots()
        self.moments: list[Moment] | None = []
        self._domain = domain
        self._influential = _Slots({name: slot for name, slot in self.slots.items() if slot.influence_conversation})
        self._features: SubState | None = None
        self._features_key: Hashable = ()
        self._taken: str | None = None
        self._session = 0
        self._asked: tuple[object, ...] = ()
        self._replayed: list[State] = []

    def update(self, event: Event, domain: Domain | None = None) -> None:
        """Apply one event."""
        kind = type(event)
        if self.moments is not None:
            if kind is ActionExecuted:
                self.moments.append(self.now(hidden=event.hide_rule_turn))
            elif kind is SessionStarted:
                self.moments.clear()
                self._session = len(self.events) + 1
            elif kind not in _PLAIN:
                self.moments = None
        super().update(event, domain)
        if kind in _END_FOLLOWUP:
            self._taken = None
        if kind not in _SET_NO_SLOT:
            self._features = None

    def applied_events(self) -> list[Event]:
        """The events that count."""
        if self.moments is None:
            events: list[Event] = super().applied_events()
            return events
        return list(islice(self.events, self._session, None))

    def clear_followup_action(self) -> None:
        """Note that the follow-up action is taken. Rasa does so before it runs, where a replay still finds it."""
        self._taken = self.followup_action
        super().clear_followup_action()

    def now(self, *, hidden: bool = False) -> Moment:
        """The conversation as it stands."""
        domain, previous = self._domain, self._domain._get_prev_action_sub_state(self)
        if self._features is None:
            self._features = domain._get_slots_sub_state(self._influential)
            self._features_key = tuple(self._features.items())
        user = domain._get_user_sub_state(self)
        state = {
            USER: user,
            SLOTS: self._features,
            PREVIOUS_ACTION: previous,
            ACTIVE_LOOP: domain._get_active_loop_sub_state(self),
        }
        keeps = bool(self.followup_action or self._taken) or self.latest_action_name == self.active_loop_name
        said = (user.get(INTENT), user.get(ENTITIES), TEXT in user)
        key = (said, self._features_key, self.latest_action_name, keeps, hidden)
        return Moment(domain._clean_state(state), previous, keeps, hidden, key)

    def key(self) -> Hashable | None:
        """What a decision that minds no words can depend on; None where only a replay can tell."""
        if self.moments is None or self.latest_message is None:
            return None
        return (self.latest_message.intent_name, self.now().key, *(moment.key for moment in self.moments))

    def past_states(
        self, domain: Domain, omit_unset_slots: bool = False, ignore_rule_only_turns: bool = False,
        rule_only_data: dict[str, Any] | None = None,
    ) -> list[State]:
        """The states before each action and the present one, as Rasa's replay finds them; the caller's to change."""
        if self.moments is None or omit_unset_slots:
            # The rule policy asks twice for each prediction. Events are only ever added.
            asked = (len(self.events), omit_unset_slots, ignore_rule_only_turns, repr(rule_only_data))
            if asked != self._asked:
                self._replayed = super().past_states(domain, omit_unset_slots, ignore_rule_only_turns, rule_only_data)
                self._asked = asked
            return [_own(state) for state in self._replayed]
        moments = [*self.moments, self.now()]
        if ignore_rule_only_turns:
            return _of_stories(domain, moments, rule_only_data)
        return [_own(moment.state) for moment in moments]

    def copy(self) -> DialogueStateTracker:
        """A tracker of its own in the same state, without a replay; Rasa makes one for every action."""
        twin = DialogueStateTracker(self.sender_id, (), is_rule_tracker=self.is_rule_tracker)
        twin.slots.update((name, _duplicate(slot)) for name, slot in self.slots.items())
        twin.events.extend(self.events)
        twin._paused, twin.followup_action, twin.latest_action = self._paused, self.followup_action, self.latest_action
        twin.latest_message, twin.latest_bot_utterance = self.latest_message, self.latest_bot_utterance
        twin.active_loop = replace(self.active_loop) if self.active_loop else None
        return twin


def _duplicate(slot: Slot) -> Slot:
    """``copy.copy`` by the shortest way: a turn copies dozens of slots."""
    made: Slot = object.__new__(type(slot))
    vars(made).update(vars(slot))
    return made


class _Slots(NamedTuple):
    slots: dict[str, Slot]


def _of_stories(domain: Domain, moments: Iterable[Moment], rule_only_data: dict[str, Any] | None) -> list[State]:
    """Without turns, slots and loops that only rules know: line by line what ``Domain.states_for_tracker_history`` does."""
    states: list[State] = []
    previous: SubState = {}
    hidden = False
    for moment in moments:
        if not hidden:
            previous = moment.previous
        if not moment.keeps_turn:
            hidden = moment.hidden
        if hidden:
            continue
        state = _own(moment.state)
        domain._remove_rule_only_features(state, rule_only_data)
        if states:
            domain._substitute_rule_only_user_input(state, states[-1])
        if previous:
            state[PREVIOUS_ACTION] = previous
        states.append(domain._clean_state(state))
    return states


def _own(state: State) -> State:
    return {part: dict(values) for part, values in state.items()}
