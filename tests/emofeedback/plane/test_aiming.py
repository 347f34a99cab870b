"""The controller of the aim: inside the scale, without wind-up, timid where readings are unsure."""

from hypothesis import given
from hypothesis import strategies as st

from emofeedback.plane.aiming import corrected_aim, measured_mean
from emofeedback.records.emotion import LIMIT, Emotion, Gap
from emofeedback.records.reading import Reading

AXIS = st.floats(-LIMIT, LIMIT)
FELT = st.builds(Emotion, AXIS, AXIS)
GAP = st.builds(Gap, st.floats(-6, 6), st.floats(-6, 6))
SPREAD = st.tuples(st.floats(0, 5), st.floats(0, 5))
SURE = (0.0, 0.0)


def read(valence: float, spread: float) -> Reading:
    return Reading(emotion=Emotion(valence, 0), uncertainty=(spread, spread))


@given(FELT, GAP, SPREAD, SPREAD)
def test_the_aim_stays_on_the_scale_and_moves_towards_the_gap(aim, gap, doubt, gain):
    moved = corrected_aim(aim, gap, doubt, gain=gain)
    assert (moved.valence - aim.valence) * gap.valence >= 0
    assert (moved.arousal - aim.arousal) * gap.arousal >= 0
    assert corrected_aim(aim, Gap(0, 0), doubt, gain=gain) == aim


@given(FELT, GAP, SPREAD)
def test_what_is_less_sure_moves_the_aim_less(aim, gap, doubt):
    more = (doubt[0] + 0.5, doubt[1] + 0.5)
    near, far = (corrected_aim(aim, gap, each) for each in (more, doubt))
    assert abs(near.valence - aim.valence) <= abs(far.valence - aim.valence)
    assert abs(near.arousal - aim.arousal) <= abs(far.arousal - aim.arousal)


def test_nothing_winds_up_while_the_body_cannot_answer():
    aim = Emotion(2, 0)
    for _ in range(20):
        aim = corrected_aim(aim, Gap(2, 0), SURE)
    assert aim == Emotion(LIMIT, 0)
    assert corrected_aim(aim, Gap(-1, 0), SURE) == Emotion(LIMIT - 1, 0)


@given(st.floats(-0.5, 0.5), st.floats(0.5, 1.2), st.floats(-2, 2))
def test_a_body_that_is_off_is_brought_to_the_target(bias, gain, wanted):
    aim = Emotion(wanted, 0)
    for _ in range(12):
        felt = bias + gain * aim.valence
        aim = corrected_aim(aim, Gap(wanted - felt, 0), (0.5, 0.5))
    reachable = bias + gain * LIMIT >= wanted >= bias - gain * LIMIT
    assert not reachable or abs(bias + gain * aim.valence - wanted) < 0.05


def test_sure_readings_count_more_and_many_are_no_surer_than_one():
    seen = measured_mean([read(1, 0.2), read(-1, 2.0)])
    assert seen.emotion.valence > 0.9
    one, many = measured_mean([read(1, 0.4)]), measured_mean([read(1, 0.4)] * 8)
    assert one == many
    assert abs(one.doubt[0] - 0.4) < 1e-9
