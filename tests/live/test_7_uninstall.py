"""Uninstalling keeps the data; purging is explicit."""

from __future__ import annotations

from desk import Desk

# Of the site, in all roles; web2py_deploy is what all sites of a host share.
PLACES = """
/srv/web2py /etc/web2py /run/web2py /run/web2py-admin
/etc/systemd/system/web2py[.-]* /etc/systemd/system/web2py_acme* /etc/systemd/system/*/web2py[.-]*
/etc/systemd/system/*/web2py_acme* /etc/nginx/*/web2py.conf /etc/apache2/*/web2py.conf /etc/lighttpd/*/*-web2py.conf
/etc/apache2/mods-enabled/python.load /var/lib/apache2/module/disabled_by_admin/wsgi
"""
MINE = f"ls -d {' '.join(PLACES.split())} 2>/dev/null"


def test_it_takes_the_site_away_and_keeps_its_data(desk: Desk) -> None:
    run = desk.play("uninstall")
    assert run.status == 0, run.output
    assert desk.on_host(MINE, check=False) == ""
    assert desk.on_host("ls -d /var/lib/web2py/applications/starter").strip()


def test_the_front_end_goes_on_without_the_site(desk: Desk) -> None:
    desk.on_host("nginx -t -q")


def test_again_changes_nothing(desk: Desk) -> None:
    run = desk.play("uninstall")
    assert (run.status, run.changed) == (0, 0), run.output


def test_the_data_are_there_after_a_new_install(desk: Desk) -> None:
    desk.on_host("echo kept > /var/lib/web2py/applications/starter/uploads/kept.txt")
    run = desk.play("site")
    assert run.status == 0, run.output
    assert desk.on_host("cat /var/lib/web2py/applications/starter/uploads/kept.txt") == "kept\n"


def test_a_purge_must_name_the_site(desk: Desk) -> None:
    run = desk.play("uninstall", web2py_purge="yes-please")
    assert run.status != 0 and "web2py_purge" in run.output, run.output
    assert desk.on_host("ls -d /srv/web2py").strip()


def test_a_purge_takes_the_data_too_and_the_server_if_told(desk: Desk) -> None:
    run = desk.play("uninstall", web2py_purge="web2py", nginx_remove_server=True)
    assert run.status == 0, run.output
    shown = desk.on_host("systemctl show -p ActiveState,NeedDaemonReload,DropInPaths nginx").split()
    assert sorted(shown) == ["ActiveState=inactive", "DropInPaths=", "NeedDaemonReload=no"]
    again = desk.play("uninstall", web2py_purge="web2py", nginx_remove_server=True)
    assert (again.status, again.changed) == (0, 0), again.output
    assert desk.on_host("ls -d /var/lib/web2py; getent passwd web2py", check=False) == ""


def test_what_the_inventory_named_before_goes_too(desk: Desk) -> None:
    """Other words were chosen, and no run of the site came to an end with them."""
    run = desk.play("site")
    assert run.status == 0, run.output
    words = {"web2py_front_end": "lighttpd", "web2py_app_server": "fastcgi", "lighttpd_remove_server": True}
    run = desk.play("uninstall", web2py_purge="web2py", **words)
    assert run.status == 0, run.output
    assert desk.on_host(MINE, check=False) == ""
    assert desk.on_host("systemctl is-active nginx", check=False).strip() == "inactive"
    again = desk.play("uninstall", web2py_purge="web2py", **words)
    assert (again.status, again.changed) == (0, 0), again.output


def test_apache_goes_on_without_the_site_and_is_stopped_if_told(desk: Desk) -> None:
    words = {"web2py_front_end": "apache", "web2py_app_server": "mod_wsgi"}
    for told, state in ({}, "active"), ({"apache_remove_server": True}, "inactive"):
        run = desk.play("site", **words)
        assert run.status == 0, run.output
        run = desk.play("uninstall", web2py_purge="web2py", **words, **told)
        assert run.status == 0, run.output
        assert desk.on_host(MINE, check=False) == ""
        assert desk.on_host("systemctl is-active apache2", check=False).strip() == state
