-- The floor: what Flask and gunicorn cost when nothing is asked of them.
dofile("common.lua")
