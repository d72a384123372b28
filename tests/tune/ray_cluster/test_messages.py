"""Pages become lines."""

import ray._private.worker as ray_worker

from tune.ray_cluster.messages import take_messages


def test_the_first_line_of_a_message_is_told(told, monkeypatch, capsys):
    monkeypatch.setattr(ray_worker, "print_to_stdstream", print)
    take_messages()

    message = "\nThe node was marked dead.\n [state-dump] 1\n [state-dump] 2\n"
    ray_worker.print_to_stdstream({"lines": [message, ""], "pid": "raylet"}, ignore_prefix=False)

    assert told == ["Ray: The node was marked dead."]
    assert capsys.readouterr() == ("", "")
